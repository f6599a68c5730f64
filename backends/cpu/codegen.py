"""Kernels to an object file, through llvmlite."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ...dialects.kernel.tiles import FuncOp
from ..target import Target
from .printer import LLVMPrinter
from .support import support_ir


def module_text(funcs: Sequence[FuncOp], target: Target) -> str:
    """One LLVM module: all kernels, and the support code that runs them."""
    parts: list[str] = []
    declared: set[str] = set()
    for func in funcs:
        printer = LLVMPrinter(target.details.get("fused", True))
        parts.append(printer.function(func))
        declared |= printer.declared
    support = support_ir(target.details["triple"])
    known = {line for line in support.splitlines() if line.startswith("declare")}
    return "\n".join([*parts, *sorted(declared - known), support])


def compile_object(text: str, target: Target) -> bytes:
    """The ELF object of an LLVM module, position-independent."""
    import llvmlite.binding as llvm

    _initialize()
    details = target.details
    machine = llvm.Target.from_triple(details["triple"]).create_target_machine(
        cpu=details["cpu"],
        features=details["features"],
        opt=3,
        reloc="pic",
        codemodel="default",
    )
    module = llvm.parse_assembly(text)
    module.triple = details["triple"]
    module.data_layout = str(machine.target_data)
    module.verify()
    return machine.emit_object(module)


def compile_assembly(text: str, target: Target) -> str:
    """The assembly of an LLVM module, for people and tests."""
    import llvmlite.binding as llvm

    _initialize()
    details = target.details
    machine = llvm.Target.from_triple(details["triple"]).create_target_machine(
        cpu=details["cpu"], features=details["features"], opt=3, reloc="pic"
    )
    module = llvm.parse_assembly(text)
    module.triple = details["triple"]
    module.data_layout = str(machine.target_data)
    return machine.emit_assembly(module)


@cache
def _initialize() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    # Without this the scheduler spills the accumulators of large unrolled tiles.
    llvm.set_option("", "-misched-cyclicpath=false")
