"""Kernels of one scalar formula, run by the numpy oracle and as compiled code."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from ovc.backends.cpu.printer import LLVMPrinter
from ovc.backends.cpu.target import host_target
from ovc.compiler.schedule.apply import Lowering
from ovc.dialects.kernel.build import Loops
from ovc.dialects.kernel.evaluate import evaluate_nest
from ovc.dialects.kernel.nest import NestOp
from ovc.dialects.kernel.scalar import Scalar
from ovc.dialects.kernel.schedule import ScheduleAttr
from ovc.dialects.types import Array, element_of
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Block

SCHEDULE = "serial i by 64, unroll i by 16, vector i by 16"


@dataclass(frozen=True)
class ScalarKernel:
    """`output[i] = formula(inputs[0][i], ...)` for all elements of some arrays."""

    module: ModuleOp
    inputs: tuple[Array, ...]
    result: np.dtype[Any]

    @property
    def nest(self) -> NestOp:
        op = self.module.body.block.first_op
        assert isinstance(op, NestOp)
        return op

    @property
    def names(self) -> list[str]:
        """The names of the operations that compute."""
        names = [op.name for op in self.nest.body.block.ops]
        return [n for n in names if n not in ("arith.constant", "arith.bitcast")]

    def oracle(self) -> Array:
        """The results by numpy, which rounds products before it adds to them."""
        output = np.zeros(self.inputs[0].shape, self.result)
        evaluate_nest(self.nest, [*self.inputs, output])
        return output

    def compiled(self) -> Array:
        """The results of code that LLVM made."""
        function = Lowering(self.nest).function()
        function.verify()
        output = np.zeros(self.inputs[0].shape, self.result)
        buffers = [*(np.ascontiguousarray(a) for a in self.inputs), output]
        pointers = (ctypes.c_void_p * len(buffers))(*(b.ctypes.data for b in buffers))
        printer = LLVMPrinter()
        text = printer.function(function)
        with _engine("\n".join([text, *sorted(printer.declared)])) as engine:
            address = engine.get_function_address(function.sym_name.data)
            signature = (None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
            ctypes.CFUNCTYPE(*signature)(address)(pointers, 0, function.grid)
        return output


def scalar_kernel(formula: Callable[..., Scalar], *inputs: Array) -> ScalarKernel:
    """A kernel with `formula(nest, *elements)` as its body."""
    size = inputs[0].shape[0]
    block = Block(arg_types=[TensorType(element_of(a.dtype), [size]) for a in inputs])
    builder = Loops()
    nest = builder.nest(i=size)
    value = formula(nest, *(nest.read(a, nest.indices) for a in block.args))
    output = block.insert_arg(TensorType(element_of(value.dtype), [size]), len(inputs))
    nest.write(value, output, nest.indices)
    op = builder.finish("kernel")[0].op
    op.properties["schedule"] = ScheduleAttr.of(SCHEDULE)
    return ScalarKernel(ModuleOp([op]), inputs, value.dtype)


def _engine(text: str) -> llvm.ExecutionEngine:
    details = host_target().details
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=details["cpu"], features=details["features"], opt=2, jit=True
    )
    module = llvm.parse_assembly(text)
    module.triple = llvm.get_process_triple()
    module.data_layout = str(machine.target_data)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
