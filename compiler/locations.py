"""Source names: which layers of the user's model an operation came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xdsl.dialects.builtin import (
    ArrayAttr,
    FusedLoc,
    LocationAttr,
    NameLoc,
    NoneAttr,
    StringAttr,
    UnknownLoc,
)
from xdsl.ir import Attribute, Operation


def set_source(op: Operation, *names: str) -> None:
    """Say that `op` came from these layers, in place of what was said before."""
    op.location = _location(names)


def source_names(op: Operation) -> tuple[str, ...]:
    """The layers `op` came from, each once; empty when nothing is known."""
    return tuple(dict.fromkeys(_names(op.location)))


def merge_sources(new: Operation, old: Iterable[Operation]) -> None:
    """
    Say that `new` stands for all of `old`, and for what it already stood for.

    The names keep the order of `old`, so that they read like the model.
    """
    names = dict.fromkeys(n for op in (*old, new) for n in source_names(op))
    set_source(new, *names)


def describe(op: Operation) -> str:
    """An operation in a message: `layer "conv1" (nn.conv)`, or `nn.conv` without one."""
    names = source_names(op)
    if not names:
        return op.name
    word = "layer" if len(names) == 1 else "layers"
    quoted = ", ".join(f'"{name}"' for name in names)
    return f"{word} {quoted} ({op.name})"


def _location(names: Iterable[str]) -> LocationAttr:
    locations: list[Attribute] = [
        NameLoc(StringAttr(n), NoneAttr()) for n in dict.fromkeys(names)
    ]
    match locations:
        case []:
            return UnknownLoc()
        case [NameLoc() as single]:
            return single
        case _:
            return FusedLoc(ArrayAttr(locations), NoneAttr())


def _names(location: Attribute) -> Iterator[str]:
    match location:
        case NameLoc():
            yield location.desc.data
        case FusedLoc():
            for inner in location.locations:  # pyright: ignore
                yield from _names(inner)  # pyright: ignore
        case _:
            return
