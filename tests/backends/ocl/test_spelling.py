"""Numbers in OpenCL text are exact, and programs read like the kernels they are."""

from __future__ import annotations

import re

import numpy as np
import pytest
from executors import lowered
from hypothesis import given
from hypothesis import strategies as st
from kernels import Kernel, elementwise, matmul
from ovc.backends.ocl.codegen import program
from ovc.backends.ocl.elements import literal
from ovc.dialects.kernel.nest import NestOp
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    MemRefType,
    f32,
    f64,
)


def number(text: str) -> float:
    """What C reads, but for special numbers."""
    return float(text.strip("()").rstrip("f"))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_single_precision_is_exact(value: float) -> None:
    text = literal(FloatAttr(value, f32))
    assert text.strip("()").endswith("f")
    assert np.float32(number(text)).tobytes() == np.float32(value).tobytes()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_double_precision_is_exact(value: float) -> None:
    text = literal(FloatAttr(value, f64))
    assert np.float64(number(text)).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (FloatAttr(float("inf"), f32), "INFINITY"),
        (FloatAttr(float("-inf"), f32), "(-INFINITY)"),
        (FloatAttr(float("nan"), f64), "(double)NAN"),
        (FloatAttr(1.0, Float16Type()), "(ushort)0x3c00"),
        (FloatAttr(-2.0, BFloat16Type()), "(ushort)0xc000"),
        (IntegerAttr(-(2**31), IntegerType(32)), "(-2147483647 - 1)"),
        (IntegerAttr(-1, IntegerType(64)), "(-1L)"),
        (IntegerAttr(7, IntegerType(8)), "(char)7"),
        (IntegerAttr(1, IntegerType(1)), "1"),
    ],
)
def test_literals(value: FloatAttr | IntegerAttr, text: str) -> None:
    assert literal(value) == text


def test_true_has_all_bits_in_vectors() -> None:
    assert literal(IntegerAttr(1, IntegerType(1)), 4) == "(int4)(-1)"


MATMUL = """\
#pragma OPENCL FP_CONTRACT OFF

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void kernel(__global char* b0, ulong o0, __global char* b1, ulong o1, __global char* b2, ulong o2) {
    const __global float* restrict x_1 = (const __global float*)(b0 + o0);
    const __global float* restrict x_2 = (const __global float*)(b1 + o1);
    __global float* restrict y_3 = (__global float*)(b2 + o2);
    const int point = get_group_id(0);
    const int m_4 = point;
    const __global float* p_7 = x_1 + m_4 * 10;
    __global float* p_14 = y_3 + m_4 * 32;
    float16 acc_5 = (float16)(0.0f);
    float16 acc_6 = (float16)(0.0f);
    for (int k_8 = 0; k_8 < 5; ++k_8) {
        const __global float* p_9 = p_7 + k_8;
        const __global float* p_11 = x_2 + k_8 * 16;
        const float x_10 = p_9[0];
        const float16 x_12 = vload16(0, p_11);
        acc_5 = fma((float16)(x_10), x_12, acc_5);
        const float x_13 = p_9[5];
        acc_6 = fma((float16)(x_13), x_12, acc_6);
    }
    vstore16(acc_5, 0, p_14);
    vstore16(acc_6, 0, p_14 + 16);
}
"""


def test_a_program_reads_like_its_kernel() -> None:
    text = "parallel m by 2, serial k, unroll m, vector n by 16"
    printed = program([lowered(matmul(4, 16, 5).scheduled(text))])
    assert _in_order(printed) == _in_order(MATMUL)


def _in_order(text: str) -> str:
    """`text` with the numbers of its names in order of appearance."""
    seen: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        return seen.setdefault(match[0], f"{match[1]}_{len(seen)}")

    return re.sub(r"\b(acc|p|x|y|k|m)_\d+\b", rename, text)


def test_helpers_come_once_and_first() -> None:
    x = np.ones(20, np.float16)
    kernel = elementwise([x], x, lambda s: s[0] + 1.0).scheduled("vector i by 8")
    text = program([lowered(kernel), lowered(kernel)])

    assert text.count("static inline float8 half_to_float8(ushort8 bits)") == 1
    assert text.index("half_to_float8(") < text.index("__kernel")
    assert "cl_khr_fp64" not in text


def test_large_buffers_have_long_indices() -> None:
    def large(nest: NestOp) -> NestOp:
        buffer = nest.buffers[0]
        buffer.block.args[buffer.index]._type = MemRefType(f32, [2**31, 4])
        return nest

    kernel = matmul(4, 4, 4)
    text = program([lowered(Kernel(large(kernel.nest), kernel.arrays))])
    assert "for (long k_" in text
