"""Rows of operators whose definition changed, against onnxruntime in several opsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx_files import assert_close, model, node, onnxruntime_answers, save
from ovc.compiler.frontends.onnx import import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.dialects.types import Array

RNG = np.random.default_rng(7)


def ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def floats(*shape: int) -> Array:
    return RNG.uniform(-2, 2, shape).astype(np.float32)


class Case(NamedTuple):
    """One node in one opset; its inputs are arguments or initialisers."""

    name: str
    opset: int
    node: NodeProto
    inputs: dict[str, Array] = {}
    constants: dict[str, Array] = {}
    symbolic: bool = False


X = {"x": floats(2, 3, 4, 6)}
IMAGE = {"x": floats(1, 2, 6, 7)}
ROWS = {"x": floats(3, 8)}


def old_and_new(
    name: str,
    old: NodeProto,
    versions: tuple[int, ...],
    new: NodeProto,
    later: tuple[int, ...],
    constants: dict[str, Array],
    inputs: dict[str, Array] = X,
) -> list[Case]:
    """An operator whose attributes became operands."""
    return [
        *(Case(name, version, old, inputs) for version in versions),
        *(Case(name, version, new, inputs, constants) for version in later),
    ]


MOVED = [
    *old_and_new(
        "slice",
        node("Slice", "x", "y", starts=[1, -3], ends=[2, 100], axes=[1, 3]),
        (7, 9),
        node("Slice", "x s e a", "y"),
        (10, 13),
        {"s": ints(1, -3), "e": ints(2, 100), "a": ints(1, 3)},
    ),
    *old_and_new(
        "slice-without-axes",
        node("Slice", "x", "y", starts=[1, 0], ends=[2, 2]),
        (7,),
        node("Slice", "x s e - t", "y"),
        (11,),
        {"s": ints(1, 0), "e": ints(2, 3), "t": ints(1, 2)},
    ),
    *old_and_new(
        "pad",
        node("Pad", "x", "y", pads=[0, 0, 1, 2, 0, 0, 0, 1], value=1.5),
        (7, 10),
        node("Pad", "x p v", "y"),
        (11, 13, 19),
        {"p": ints(0, 0, 1, 2, 0, 0, 0, 1), "v": np.array(1.5, np.float32)},
    ),
    *old_and_new(
        "pad-reflect",
        node("Pad", "x", "y", pads=[0, 0, 1, 2, 0, 0, 0, 1], mode="reflect"),
        (7,),
        node("Pad", "x p - a", "y", mode="edge"),
        (18,),
        {"p": ints(1, 2, 0, 1), "a": ints(2, -1)},
    ),
    *old_and_new(
        "clip",
        node("Clip", "x", "y", min=-0.5, max=1.0),
        (7, 10),
        node("Clip", "x low high", "y"),
        (11, 13),
        {"low": np.array(-0.5, np.float32), "high": np.array(1, np.float32)},
    ),
    *old_and_new(
        "clip-one-side",
        node("Clip", "x", "y", max=1.0),
        (7,),
        node("Clip", "x - high", "y"),
        (12,),
        {"high": np.array(1, np.float32)},
    ),
    *old_and_new(
        "squeeze",
        node("Squeeze", "x", "y", axes=[0, -2]),
        (11,),
        node("Squeeze", "x a", "y"),
        (13, 21),
        {"a": ints(0, -2)},
        {"x": floats(1, 3, 1, 6)},
    ),
    *old_and_new(
        "squeeze-all",
        node("Squeeze", "x", "y"),
        (7,),
        node("Squeeze", "x", "y"),
        (13,),
        {},
        {"x": floats(1, 3, 1, 6)},
    ),
    *old_and_new(
        "unsqueeze",
        node("Unsqueeze", "x", "y", axes=[0, 2]),
        (7, 11),
        node("Unsqueeze", "x a", "y"),
        (13,),
        {"a": ints(0, -1)},
    ),
    *old_and_new(
        "split",
        node("Split", "x", "y z", axis=3, split=[2, 4]),
        (7, 11),
        node("Split", "x s", "y z", axis=-1),
        (13, 18),
        {"s": ints(2, 4)},
    ),
    *old_and_new(
        "split-equal",
        node("Split", "x", "y z", axis=2),
        (7, 13),
        node("Split", "x", "y z", axis=2, num_outputs=2),
        (18,),
        {},
    ),
    *old_and_new(
        "dropout",
        node("Dropout", "x", "y", ratio=0.3),
        (7, 10),
        node("Dropout", "x r", "y"),
        (12, 13),
        {"r": np.array(0.3, np.float32)},
    ),
    *old_and_new(
        "upsample",
        node("Upsample", "x", "y", mode="nearest", scales=[1.0, 1.0, 2.0, 3.0]),
        (7,),
        node("Upsample", "x s", "y", mode="linear"),
        (9,),
        {"s": np.array([1, 1, 2, 3], np.float32)},
    ),
    *old_and_new(
        "top-k",
        node("TopK", "x k", "y z", axis=1),
        (),
        node("TopK", "x k", "y z", axis=1, largest=0),
        (11,),
        {"k": ints(2)},
    ),
]

REDUCTIONS = [
    case
    for name, since in [
        ("Sum", 13),
        ("Mean", 18),
        ("Max", 18),
        ("L2", 18),
        ("LogSumExp", 18),
    ]
    for case in old_and_new(
        f"reduce-{name}",
        node(f"Reduce{name}", "x", "y", axes=[1, -1], keepdims=0),
        (11, since - 1),
        node(f"Reduce{name}", "x a", "y", keepdims=0),
        (since,),
        {"a": ints(1, -1)},
    )
] + [
    Case("reduce-all", 13, node("ReduceSum", "x", "y"), X),
    Case("reduce-none", 18, node("ReduceMax", "x", "y", noop_with_empty_axes=1), X),
]

SOFTMAX = [
    Case(
        f"{name}-{axis}-{shape}",
        version,
        node(name, "x", "y", axis=axis),
        {"x": floats(*shape)},
    )
    for name in ("Softmax", "LogSoftmax", "Hardmax")
    for version in (7, 11, 13)
    for axis, shape in [(1, (2, 3, 4)), (0, (2, 3)), (2, (2, 3, 4)), (1, (2, 5, 1, 1))]
]

SCALES = {"s": np.array([1, 1, 2, 1.5], np.float32)}
RESIZE = (
    [
        Case(f"resize-{mode}", 10, node("Resize", "x s", "y", mode=mode), IMAGE, SCALES)
        for mode in ("nearest", "linear")
    ]
    + [
        Case(
            f"resize-nearest-{height}-{width}",
            10,
            node("Resize", "x s", "y", mode="nearest"),
            IMAGE,
            {"s": np.array([1, 1, height, width], np.float32)},
        )
        for height, width in [(0.6, 0.6), (1.5, 0.6), (0.3, 2.5)]
    ]
    + [
        Case(
            f"resize-{mode}-{coordinates}",
            version,
            node(
                "Resize",
                f"x {roi} s",
                "y",
                mode=mode,
                coordinate_transformation_mode=coordinates,
            ),
            IMAGE,
            SCALES | ({"roi": np.zeros(0, np.float32)} if roi == "roi" else {}),
        )
        for version, roi in ((11, "roi"), (13, "-"), (18, "-"), (19, "-"))
        for mode in ("nearest", "linear", "cubic")
        for coordinates in (
            "half_pixel",
            "asymmetric",
            "align_corners",
            "pytorch_half_pixel",
        )
    ]
    + [
        Case(
            "resize-sizes",
            version,
            node("Resize", "x - - n", "y", mode="linear"),
            IMAGE,
            {"n": ints(1, 2, 9, 5)},
        )
        for version in (13, 18)
    ]
)

ONES = np.ones(3, np.float32)
STATISTICS = {
    "s": floats(3),
    "b": floats(3),
    "m": floats(3),
    "v": np.abs(floats(3)) + 0.1,
}
NORMS = [
    Case(
        "batch-norm",
        version,
        node("BatchNormalization", "x s b m v", "y", **more),
        X,
        STATISTICS,
    )
    for version, more in (
        (7, {}),
        (9, {"momentum": 0.5}),
        (14, {"training_mode": 0}),
        (15, {}),
    )
] + [
    Case(
        "instance-norm",
        7,
        node("InstanceNormalization", "x s b", "y"),
        X,
        {"s": STATISTICS["s"], "b": STATISTICS["b"]},
    ),
    Case(
        "layer-norm",
        17,
        node("LayerNormalization", "x s b", "y", axis=-1),
        X,
        {"s": floats(6), "b": floats(6)},
    ),
    Case(
        "layer-norm-axis",
        17,
        node("LayerNormalization", "x s", "y m d", axis=2),
        X,
        {"s": floats(4, 6)},
    ),
    Case(
        "group-norm-18",
        18,
        node("GroupNormalization", "x s b", "y", num_groups=2),
        {"x": floats(2, 4, 3)},
        {"s": floats(2), "b": floats(2)},
    ),
    Case(
        "group-norm-21",
        21,
        node("GroupNormalization", "x s b", "y", num_groups=2),
        {"x": floats(2, 4, 3)},
        {"s": floats(4), "b": floats(4)},
    ),
    Case("lrn", 7, node("LRN", "x", "y", size=3, alpha=0.1, beta=0.7, bias=2.0), X),
    Case("lp-norm", 7, node("LpNormalization", "x", "y", axis=1, p=1), X),
    Case("mvn", 13, node("MeanVarianceNormalization", "x", "y"), X),
    Case("rms-norm", 23, node("RMSNormalization", "x s", "y"), X, {"s": floats(6)}),
]

WINDOWS = [
    Case(
        "conv",
        7,
        node("Conv", "x w b", "y", pads=[1, 0, 2, 1], strides=[2, 1]),
        IMAGE,
        {"w": floats(3, 2, 3, 3), "b": floats(3)},
    ),
    Case(
        "conv-same",
        11,
        node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 2]),
        IMAGE,
        {"w": floats(3, 2, 3, 3)},
    ),
    Case(
        "conv-group",
        22,
        node("Conv", "x w", "y", group=2, dilations=[2, 1]),
        IMAGE,
        {"w": floats(4, 1, 2, 3)},
    ),
    Case(
        "conv-transpose",
        11,
        node(
            "ConvTranspose",
            "x w",
            "y",
            strides=[2, 2],
            output_padding=[1, 1],
            pads=[1, 1, 1, 1],
        ),
        IMAGE,
        {"w": floats(2, 3, 3, 3)},
    ),
    Case(
        "max-pool",
        8,
        node("MaxPool", "x", "y z", kernel_shape=[2, 3], strides=[2, 2]),
        IMAGE,
    ),
    Case(
        "max-pool-ceil",
        12,
        node(
            "MaxPool",
            "x",
            "y z",
            kernel_shape=[3, 3],
            strides=[2, 2],
            ceil_mode=1,
            storage_order=1,
        ),
        IMAGE,
    ),
    Case(
        "average-pool",
        7,
        node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        IMAGE,
    ),
    Case(
        "average-pool-count",
        11,
        node(
            "AveragePool",
            "x",
            "y",
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
            count_include_pad=1,
            ceil_mode=1,
            strides=[2, 2],
        ),
        IMAGE,
    ),
    Case("lp-pool", 11, node("LpPool", "x", "y", kernel_shape=[2, 2], p=3), IMAGE),
    Case("global-average-pool", 7, node("GlobalAveragePool", "x", "y"), IMAGE),
    Case("global-max-pool", 7, node("GlobalMaxPool", "x", "y"), IMAGE),
]

GATES = {"w": floats(2, 8, 3), "r": floats(2, 8, 2), "b": floats(2, 16)}
RECURRENT = [
    Case(
        "lstm",
        7,
        node("LSTM", "x w r b", "y h c", hidden_size=2, direction="bidirectional"),
        {"x": floats(4, 1, 3)},
        GATES,
    ),
    Case(
        "gru",
        14,
        node("GRU", "x w r", "y h", hidden_size=2, linear_before_reset=1),
        {"x": floats(4, 1, 3)},
        {"w": floats(1, 6, 3), "r": floats(1, 6, 2)},
    ),
    Case(
        "rnn",
        14,
        node("RNN", "x w r", "y h", hidden_size=2),
        {"x": floats(4, 1, 3)},
        {"w": floats(1, 2, 3), "r": floats(1, 2, 2)},
    ),
]

PAIR = {"x": floats(2, 3), "z": floats(3)}
QUANTIZED = {
    "a": RNG.integers(0, 255, (2, 4)).astype(np.uint8),
    "b": RNG.integers(-128, 127, (4, 3)).astype(np.int8),
}
OTHERS = [
    *[
        Case(f"{name}-variadic", 8, node(name, "x z x", "y"), PAIR)
        for name in ("Sum", "Max", "Min", "Mean")
    ],
    Case("sum-of-one", 8, node("Sum", "x", "y"), PAIR),
    Case("cast", 9, node("Cast", "x", "y", to=TensorProto.INT32), PAIR),
    Case(
        "gemm",
        7,
        node("Gemm", "x w c", "y", alpha=0.5, beta=2.0, transB=1),
        PAIR,
        {"w": floats(4, 3), "c": floats(4)},
    ),
    Case(
        "gemm-no-c", 11, node("Gemm", "x w", "y", transA=1), PAIR, {"w": floats(2, 4)}
    ),
    Case(
        "einsum",
        12,
        node("Einsum", "x w", "y", equation="ij,kj->ik"),
        PAIR,
        {"w": floats(4, 3)},
    ),
    Case("arg-max", 7, node("ArgMax", "x", "y", axis=1, keepdims=0), PAIR),
    Case(
        "arg-min-last", 12, node("ArgMin", "x", "y", axis=1, select_last_index=1), PAIR
    ),
    Case(
        "one-hot",
        11,
        node("OneHot", "i d v", "y", axis=-1),
        {},
        {"i": ints(0, 2, -1), "d": ints(4), "v": np.array([0, 1], np.float32)},
    ),
    Case(
        "cumsum",
        14,
        node("CumSum", "x a", "y", reverse=1),
        PAIR,
        {"a": np.array(1, np.int32)},
    ),
    Case(
        "scatter-9",
        9,
        node("Scatter", "x i u", "y", axis=1),
        PAIR,
        {"i": ints(2, 0).reshape(2, 1), "u": floats(2, 1)},
    ),
    Case(
        "scatter-18",
        18,
        node("ScatterElements", "x i u", "y", axis=1, reduction="add"),
        PAIR,
        {"i": ints(2, 0).reshape(2, 1), "u": floats(2, 1)},
    ),
    Case(
        "gather-nd",
        12,
        node("GatherND", "x i", "y", batch_dims=1),
        PAIR,
        {"i": ints(2, 0).reshape(2, 1)},
    ),
    Case(
        "compress",
        11,
        node("Compress", "x k", "y", axis=1),
        PAIR,
        {"k": np.array([True, False, True])},
    ),
    Case(
        "compress-flat",
        11,
        node("Compress", "x k", "y"),
        PAIR,
        {"k": np.array([True, False, True])},
    ),
    Case(
        "non-zero", 13, node("NonZero", "k", "y"), {}, {"k": np.array([[1, 0], [1, 1]])}
    ),
    Case("shape-part", 15, node("Shape", "x", "y", start=-1), PAIR),
    Case("dropout-mask", 12, node("Dropout", "x", "y m"), PAIR),
    Case(
        "constant-of-shape",
        9,
        node("ConstantOfShape", "s", "y", value=numpy_helper.from_array(ints(7))),
        {},
        {"s": ints(2, 3)},
    ),
    Case("flatten", 11, node("Flatten", "x", "y", axis=-1), X),
    Case(
        "depth-to-space",
        7,
        node("DepthToSpace", "x", "y", blocksize=2),
        {"x": floats(1, 8, 2, 3)},
    ),
    Case(
        "depth-to-space-crd",
        11,
        node("DepthToSpace", "x", "y", blocksize=2, mode="CRD"),
        {"x": floats(1, 8, 2, 3)},
    ),
    Case("prelu", 9, node("PRelu", "x w", "y"), X, {"w": floats(3, 1, 1)}),
    Case(
        "is-inf",
        10,
        node("IsInf", "x", "y", detect_negative=0),
        {"x": np.array([1, np.inf, -np.inf, np.nan], np.float32)},
    ),
    Case("mod", 10, node("Mod", "x z", "y", fmod=1), PAIR),
    Case("gelu", 20, node("Gelu", "x", "y", approximate="tanh"), PAIR),
    Case("celu", 12, node("Celu", "x", "y", alpha=2.0), PAIR),
    Case("selu", 7, node("Selu", "x", "y"), PAIR),
    Case("hard-sigmoid", 7, node("HardSigmoid", "x", "y"), PAIR),
    Case("shrink", 9, node("Shrink", "x", "y", lambd=0.5, bias=0.1), PAIR),
    Case(
        "bit-shift",
        11,
        node("BitShift", "u n", "y", direction="LEFT"),
        {},
        {"u": np.array([1, 2], np.uint8), "n": np.array([3, 1], np.uint8)},
    ),
    Case(
        "quantize",
        10,
        node("QuantizeLinear", "x s z", "y"),
        {"x": floats(2, 3)},
        {"s": np.array(0.02, np.float32), "z": np.array(128, np.uint8)},
    ),
    Case(
        "dequantize-axis",
        13,
        node("DequantizeLinear", "q s", "y", axis=0),
        {},
        {
            "q": RNG.integers(-9, 9, (2, 3)).astype(np.int8),
            "s": np.array([0.1, 2], np.float32),
        },
    ),
    Case(
        "matmul-integer",
        10,
        node("MatMulInteger", "a b z", "y"),
        {},
        QUANTIZED | {"z": np.array(12, np.uint8)},
    ),
    Case("dynamic-quantize", 11, node("DynamicQuantizeLinear", "x", "y s o"), PAIR),
    Case(
        "attention",
        23,
        node("Attention", "q k v", "y", is_causal=1),
        {n: floats(1, 2, 5, 4) for n in "qkv"},
    ),
    Case("expand", 8, node("Expand", "x s", "y"), PAIR, {"s": ints(4, 1, 3)}),
    Case("tile", 7, node("Tile", "x s", "y"), PAIR, {"s": ints(2, 3)}),
    Case(
        "range",
        11,
        node("Range", "a b c", "y"),
        {},
        {n: np.array(v, np.float32) for n, v in zip("abc", (1, 4, 0.5), strict=True)},
    ),
    Case(
        "trilu",
        14,
        node("Trilu", "x k", "y", upper=0),
        PAIR,
        {"k": np.array(1, np.int64)},
    ),
    Case("eye-like", 9, node("EyeLike", "x", "y", k=1, dtype=TensorProto.INT64), PAIR),
    Case(
        "where",
        16,
        node("Where", "c x z", "y"),
        PAIR,
        {"c": np.array([True, False, True])},
    ),
    Case("pow-integer", 12, node("Pow", "x e", "y"), PAIR, {"e": ints(2)}),
]

SIGNAL = {"x": floats(2, 3, 10, 1)}
PAIRS = {"x": floats(2, 10, 2)}
SIGNALS = [
    Case("dft-real", 17, node("DFT", "x", "y", axis=2), SIGNAL),
    Case("dft-one-sided", 17, node("DFT", "x", "y", axis=2, onesided=1), SIGNAL),
    Case(
        "dft-complex",
        20,
        node("DFT", "x - a", "y"),
        PAIRS,
        {"a": np.array(1, np.int64)},
    ),
    Case(
        "dft-shorter", 20, node("DFT", "x n", "y"), PAIRS, {"n": np.array(7, np.int64)}
    ),
    Case(
        "dft-longer", 20, node("DFT", "x n", "y"), PAIRS, {"n": np.array(16, np.int64)}
    ),
    Case("dft-inverse", 20, node("DFT", "x", "y", inverse=1), PAIRS),
    Case(
        "stft",
        17,
        node("STFT", "x s w", "y"),
        {"x": floats(2, 30, 1)},
        {"s": np.array(4, np.int64), "w": np.hanning(8).astype(np.float32)},
    ),
    Case(
        "stft-two-sided",
        17,
        node("STFT", "x s - n", "y", onesided=0),
        {"x": floats(2, 30, 1)},
        {"s": np.array(4, np.int64), "n": np.array(8, np.int64)},
    ),
    Case(
        "reverse-sequence",
        10,
        node("ReverseSequence", "x n", "y", time_axis=1, batch_axis=0),
        {"x": floats(3, 4, 2)},
        {"n": ints(2, 1, 4)},
    ),
    Case(
        "reverse-sequence-time-first",
        10,
        node("ReverseSequence", "x n", "y"),
        {"x": floats(4, 3, 2), "n": ints(2, 1, 4)},
    ),
    Case(
        "dequantize-blocks",
        21,
        node("DequantizeLinear", "q s z", "y", axis=1, block_size=2),
        {},
        {
            "q": RNG.integers(-9, 9, (3, 5)).astype(np.int8),
            "s": np.abs(floats(3, 3)) + 0.1,
            "z": RNG.integers(-9, 9, (3, 3)).astype(np.int8),
        },
    ),
    Case(
        "quantize-blocks",
        21,
        node("QuantizeLinear", "x s z", "y", axis=0, block_size=2),
        {"x": 50 * floats(4, 3)},
        {
            "s": np.abs(floats(2, 3)) + 0.1,
            "z": RNG.integers(0, 255, (2, 3)).astype(np.uint8),
        },
    ),
]

POOLED = {"x": floats(1, 2, 2, 3), "i": RNG.permutation(48)[:12].reshape(1, 2, 2, 3)}
UNPOOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
UNPOOLED = [
    Case("max-unpool", 11, node("MaxUnpool", "x i", "y", **UNPOOL), POOLED),
    Case(
        "max-unpool-larger",
        22,
        node("MaxUnpool", "x i s", "y", **UNPOOL),
        POOLED,
        {"s": ints(1, 2, 5, 7)},
    ),
    Case(
        "max-unpool-pads",
        11,
        node("MaxUnpool", "x i", "y", kernel_shape=[3, 4], pads=[1, 1, 0, 1]),
        {"x": floats(1, 1, 3, 4), "i": RNG.permutation(20)[:12].reshape(1, 1, 3, 4)},
    ),
]
MEL = [
    Case(
        f"mel-{bands}-{length}",
        17,
        node("MelWeightMatrix", "b n r l h", "y"),
        {},
        {
            "b": np.array(bands, np.int64),
            "n": np.array(length, np.int64),
            "r": np.array(16000, np.int64),
            "l": np.array(low, np.float32),
            "h": np.array(high, np.float32),
        },
    )
    for bands, length, low, high in [
        (8, 16, 0, 8000),
        (40, 512, 20, 7600),
        (3, 9, 5, 99),
    ]
]

CASES = [
    *SIGNALS,
    *UNPOOLED,
    *MEL,
    *MOVED,
    *REDUCTIONS,
    *SOFTMAX,
    *RESIZE,
    *NORMS,
    *WINDOWS,
    *RECURRENT,
    *OTHERS,
]


def run_case(folder: Path, case: Case, symbolic: bool = False) -> None:
    """Compare one node; with `symbolic` the importer knows no shape of its inputs."""
    inputs: dict[str, Any] = {
        name: [f"{name}{i}" for i in range(array.ndim)] if symbolic else array.shape
        for name, array in case.inputs.items()
    }
    outputs = [name for name in case.node.output if name]
    types = {
        n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in case.inputs.items()
    }
    proto = model([case.node], inputs, outputs, case.constants, case.opset, types)
    path = save(folder, proto)
    actual = run_reference(import_onnx(path).module, case.inputs)
    assert_close(actual, onnxruntime_answers(path, case.inputs), 1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.name}-{c.opset}")
def test_row_agrees_with_onnxruntime(tmp_path: Path, case: Case) -> None:
    run_case(tmp_path, case)


NEEDS_SHAPES = (
    "group-norm-18",
    "dft",
    "stft",
    "max-unpool",
    "reverse-sequence",
    "quantize-blocks",
)


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if c.inputs and not c.name.startswith(NEEDS_SHAPES)],
    ids=lambda c: f"{c.name}-{c.opset}",
)
def test_row_without_shapes(tmp_path: Path, case: Case) -> None:
    run_case(tmp_path, case, symbolic=True)


CONSTANTS = [
    {"value": numpy_helper.from_array(floats(2))},
    {"value_float": 1.5},
    {"value_floats": [1.5, 2.5]},
    {"value_int": 3},
    {"value_ints": [3, 4]},
    {
        "sparse_value": helper.make_sparse_tensor(
            numpy_helper.from_array(floats(2), "v"),
            numpy_helper.from_array(ints(1, 3)),
            [5],
        )
    },
]


@pytest.mark.parametrize("attributes", CONSTANTS, ids=lambda a: next(iter(a)))
def test_constants(tmp_path: Path, attributes: dict[str, Any]) -> None:
    nodes = [node("Constant", "", "c", **attributes), node("Identity", "c", "y")]
    path = save(tmp_path, model(nodes, {}, ["y"], opset=13))
    actual = run_reference(import_onnx(path).module, {})
    assert_close(actual, onnxruntime_answers(path, {}), 0)
