"""Run kernels of tests as compiled code: LLVM in this process, OpenCL on a device."""

from __future__ import annotations

import ctypes
import functools
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from kernels import Kernel
from ovc.backends.cpu.codegen import printer_for
from ovc.backends.cpu.target import host_target
from ovc.backends.ocl.codegen import BUILD_OPTIONS, program
from ovc.compiler.passes.legalize_scalars import LegalizeScalarsPass
from ovc.compiler.schedule.apply import Lowering
from ovc.dialects.kernel.loops import FuncOp
from ovc.dialects.kernel.tiles import TileType
from ovc.dialects.types import Array
from ovc.runtime.errors import OvcError
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp


def lowered(kernel: Kernel) -> FuncOp:
    """The verified tile form of a kernel; its nest stays as it is."""
    func = Lowering(kernel.nest).function()
    func.verify()
    return func


def legalized(kernel: Kernel) -> Kernel:
    """The same with integer divisions that cannot stop the processor."""
    LegalizeScalarsPass().apply(Context(), ModuleOp([kernel.nest]))
    return kernel


def llvm_text(func: FuncOp) -> str:
    """A module with one kernel, which loads factors again whatever its lanes are."""
    printer = printer_for(host_target())
    types = [result.type for op in func.walk() for result in op.results]
    widest = max((t.width for t in types if isinstance(t, TileType)), default=1)
    printer.reloads = widest if widest > 1 else 0
    text = printer.function(func)
    return "\n".join([text, *sorted(printer.declared)])


def run_llvm(kernel: Kernel, shares: int = 2) -> list[Array]:
    """What the buffers hold after the kernel ran, its grid cut into `shares`."""
    func = lowered(kernel)
    target = host_target()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_triple(target.details["triple"]).create_target_machine(
        cpu=target.details["cpu"], features=target.details["features"], opt=1, jit=True
    )
    module = llvm.parse_assembly(llvm_text(func))
    module.triple = target.details["triple"]
    module.data_layout = str(machine.target_data)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    run = kind(engine.get_function_address(func.sym_name.data))
    arrays = [np.ascontiguousarray(a).copy() for a in kernel.arrays]
    pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    cuts = [func.grid * share // shares for share in range(shares + 1)]
    for begin, end in pairwise(cuts):
        run(pointers, begin, end)
    return arrays


@functools.cache
def device() -> Any:
    """An OpenCL device, its context and a queue; skips the test without one."""
    from ovc.runtime.drivers.ocl_devices import find_devices, load_pyopencl

    try:
        devices = find_devices()
    except OvcError as error:
        pytest.skip(str(error))
    if not devices:
        pytest.skip("no OpenCL device")
    cl = load_pyopencl()
    context = cl.Context([devices[0]])
    return cl, context, cl.CommandQueue(context)


def run_opencl(kernels: Sequence[Kernel]) -> list[list[Array]]:
    """What the buffers of each kernel hold after it ran; all are one program."""
    cl, context, queue = device()
    funcs = [lowered(kernel) for kernel in kernels]
    for position, func in enumerate(funcs):
        func.properties["sym_name"] = type(func.sym_name)(f"k{position}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = cl.Program(context, program(funcs)).build(list(BUILD_OPTIONS))
    results: list[list[Array]] = []
    for position, (kernel, func) in enumerate(zip(kernels, funcs, strict=True)):
        arrays = [np.ascontiguousarray(a).copy() for a in kernel.arrays]
        copy = cl.mem_flags.COPY_HOST_PTR
        buffers = [cl.Buffer(context, copy, hostbuf=a) for a in arrays]
        arguments = [part for b in buffers for part in (b, np.uint64(0))]
        run = getattr(built, f"k{position}")
        run(queue, (func.grid * func.items,), (func.items,), *arguments)
        for array, buffer in zip(arrays, buffers, strict=True):
            cl.enqueue_copy(queue, array, buffer)
        results.append(arrays)
    return results
