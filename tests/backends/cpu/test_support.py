"""The support code is valid for every system it is made for."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest
from ovc.backends.cpu import support
from ovc.runtime.drivers import cpu

TRIPLES = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "riscv64-unknown-linux-gnu",
    "x86_64-apple-macosx13.0",
    "arm64-apple-darwin23.0",
    "x86_64",
]


@pytest.fixture(scope="module", autouse=True)
def all_targets() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@pytest.mark.parametrize("triple", TRIPLES)
def test_it_compiles(triple: str) -> None:
    module = llvm.parse_assembly(support.support_ir(triple))
    module.verify()
    machine = llvm.Target.from_triple(triple).create_target_machine(opt=2)
    assert machine.emit_object(module)


def assembly(triple: str) -> str:
    module = llvm.parse_assembly(support.support_ir(triple))
    machine = llvm.Target.from_triple(triple).create_target_machine(opt=2)
    return machine.emit_assembly(module)


def test_each_architecture_has_its_pause() -> None:
    assert "\tpause\n" in assembly("x86_64-unknown-linux-gnu")
    assert "\tyield\n" in assembly("aarch64-unknown-linux-gnu")


def test_only_linux_has_futexes() -> None:
    assert "i64 202," in support.support_ir("x86_64-unknown-linux-gnu")
    assert "i64 98," in support.support_ir("aarch64-unknown-linux-gnu")
    other = support.support_ir("arm64-apple-darwin23.0")
    assert "@syscall" not in other
    assert "@sched_getcpu" not in other
    assert "@usleep" in other


def test_a_system_without_support() -> None:
    with pytest.raises(ValueError, match="windows"):
        support.support_ir("x86_64-pc-windows-msvc")


def test_compiler_and_driver_agree() -> None:
    assert support.ABI == cpu.ABI
