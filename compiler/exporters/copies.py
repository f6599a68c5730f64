"""Copies of modules that still know which layers their operations came from."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue


def copied(module: ModuleOp) -> ModuleOp:
    """A copy with source names and printed names; arrays are shared."""
    copy = module.clone()
    for old, new in zip(module.walk(), copy.walk(), strict=True):
        _label(old, new)
    return copy


def _label(old: Operation, new: Operation) -> None:
    new.location = old.location
    for before, after in zip(old.results, new.results, strict=True):
        _name(before, after)
    for before, after in zip(old.regions, new.regions, strict=True):
        for source, target in zip(before.blocks, after.blocks, strict=True):
            for left, right in zip(source.args, target.args, strict=True):
                _name(left, right)


def _name(old: SSAValue, new: SSAValue) -> None:
    new.name_hint = old.name_hint


def restore(module: ModuleOp, earlier: ModuleOp) -> None:
    """Put what `earlier` holds in the place of what `module` holds; `earlier` is used up."""
    body = module.body.block
    for op in list(body.ops)[::-1]:
        op.detach()
        op.drop_all_references()
        op.erase(safe_erase=False)
    for op in list(earlier.body.block.ops):
        op.detach()
        body.add_op(op)
