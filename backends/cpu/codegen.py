"""Kernels to object files, through llvmlite."""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

from ...dialects.kernel.loops import FuncOp
from ..target import Target
from .objects import pack
from .printer import LLVMPrinter
from .support import support_ir

GROUP = 250_000
"""Characters of LLVM IR from which on an object is full and the next one begins."""


class Store(Protocol):
    """Keeps bytes under a key, for a while."""

    def get(self, key: str) -> bytes | None: ...

    def put(self, key: str, data: bytes) -> None: ...


def module_texts(funcs: Sequence[FuncOp], target: Target) -> Iterator[str]:
    """LLVM modules: the support code, then the kernels in groups."""
    yield support_ir(target.details["triple"])
    parts: list[str] = []
    declared: set[str] = set()
    for func in funcs:
        own, used = _printed([func], target)
        parts += own
        declared |= used
        if sum(map(len, parts)) >= GROUP or func is funcs[-1]:
            yield "\n".join([*parts, *sorted(declared)])
            parts, declared = [], set()


def printer_for(target: Target) -> LLVMPrinter:
    """A printer that knows what the processor does well."""
    x86 = target.details["triple"].startswith("x86_64")
    return LLVMPrinter(
        target.details.get("fused", True),
        lanes=target.lanes if x86 else 0,
        reloads=target.lanes if target.halves else 0,
    )


def _printed(funcs: Sequence[FuncOp], target: Target) -> tuple[list[str], set[str]]:
    """The text of kernels, and the declarations that it needs."""
    parts: list[str] = []
    declared: set[str] = set()
    for func in funcs:
        printer = printer_for(target)
        parts.append(printer.function(func))
        declared |= printer.declared
    return parts, declared


def start(
    funcs: Sequence[FuncOp], target: Target, store: Store | None = None
) -> Callable[[], bytes]:
    """
    Begin to compile kernels; the function returned waits for the archive of objects.

    LLVM runs in threads of its own and needs no Python there, so it works on some groups
    while the next one is printed.
    """
    _initialize()
    pool = ThreadPoolExecutor(os.cpu_count() or 1, "ovc-llvm")
    jobs = [
        pool.submit(stored_object, text, target, store)
        for text in module_texts(funcs, target)
    ]
    pool.shutdown(wait=False)
    return lambda: pack([job.result() for job in jobs])


def stored_object(text: str, target: Target, store: Store | None) -> bytes:
    """The object of an LLVM module, from the store if it is there."""
    if store is None:
        return compile_object(text, target)
    key = object_key(text, target)
    found = store.get(key)
    if found is None:
        found = compile_object(text, target)
        store.put(key, found)
    return found


def object_key(text: str, target: Target) -> str:
    """A digest of all that an object depends on."""
    import llvmlite

    llvm: Any = importlib.import_module("llvmlite.binding")  # it has no types

    details = target.details
    versions: Any = (llvmlite.__version__, llvm.llvm_version_info)
    parts = [versions, *(details[name] for name in ("triple", "cpu", "features"))]
    head = "\0".join(map(str, parts))
    return hashlib.sha256(f"{head}\0{text}".encode()).hexdigest()


def compile_object(text: str, target: Target) -> bytes:
    """The ELF object of an LLVM module, position-independent."""
    machine, module = _parsed(text, target)
    return _emitted(machine, module)


def compile_assembly(text: str, target: Target) -> str:
    """The assembly of an LLVM module, for people and tests."""
    machine, module = _parsed(text, target)
    return machine.emit_assembly(module)


def _parsed(text: str, target: Target) -> tuple[Any, Any]:
    """A machine that emits code for `target`, and a checked module for it."""
    llvm: Any = importlib.import_module("llvmlite.binding")  # it has no types

    _initialize()
    details = target.details
    machine = llvm.Target.from_triple(details["triple"]).create_target_machine(
        cpu=details["cpu"],
        features=details["features"],
        opt=3,
        reloc="pic",
        codemodel="default",
    )
    module = llvm.parse_assembly(text, llvm.create_context())
    module.triple = details["triple"]
    module.data_layout = str(machine.target_data)
    module.verify()
    return machine, module


def _emitted(machine: Any, module: Any) -> bytes:
    """
    `machine.emit_object(module)`, but several threads at a time.

    llvmlite holds a lock around every call. LLVM needs none where nothing is shared, and a
    module that stands in a context of its own shares nothing.
    """
    llvm: Any = importlib.import_module("llvmlite.binding")  # it has no types
    library = llvm.ffi.lib
    unlocked = getattr(library.LLVMPY_TargetMachineEmitToMemory, "_cfn", None)
    if unlocked is None:
        return machine.emit_object(module)
    with llvm.ffi.OutputString() as message:
        buffer = unlocked(machine, module, 1, message)
        if not buffer:
            raise RuntimeError(str(message))
    try:
        start = library.LLVMPY_GetBufferStart(buffer)
        return ctypes.string_at(start, library.LLVMPY_GetBufferSize(buffer))
    finally:
        library.LLVMPY_DisposeMemoryBuffer(buffer)


@cache
def _initialize() -> None:
    llvm: Any = importlib.import_module("llvmlite.binding")  # it has no types

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    # Without this the scheduler spills the accumulators of large unrolled tiles.
    llvm.set_option("", "-misched-cyclicpath=false")
