from __future__ import annotations

from hypothesis import given
from networks import check_pass
from ovc.compiler.passes.dce import DeadCodePass
from ovc.compiler.passes.rewrite import is_pure
from strategies import Program, networks


@given(networks())
def test_results_are_kept_and_nothing_is_dead(program: Program) -> None:
    module, inputs = program

    check_pass(DeadCodePass(), module, inputs)

    for op in module.walk():
        assert not is_pure(op) or any(r.first_use for r in op.results)
