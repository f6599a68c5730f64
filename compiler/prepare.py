"""
From a model as imported to one that the passes take: sizes, batch, preprocessing, and
layers that are to be left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from xdsl.dialects.builtin import ModuleOp

from ..dialects.nn.base import NNOp
from .batch import set_batch
from .conversion import Conversion
from .interpreter import input_names, main_function
from .locations import source_names
from .options import CompileOptions
from .passes.fix_shapes import fix_shapes, require_static, shapes_by_tensor
from .passes.preprocess import preprocess
from .passes.reasons import keep


def prepare(module: ModuleOp, options: CompileOptions) -> None:
    """
    Apply the options that concern the network's interface, in place.

    Raises:
        CompileError: an option does not fit the network.
    """
    conversion = options.conversion
    names = input_names(main_function(module))
    shapes = shapes_by_tensor(names, conversion.inputs, options.input_shapes)
    fix_shapes(module, shapes)
    if conversion.batch is not None:
        set_batch(module, conversion.batch, shapes)
    require_static(module)
    for sentence in keep_layers(module, conversion.finegrain_fusing):
        options.observer.told(sentence)
    if wants_preprocessing(conversion):
        for sentence in preprocess(module, conversion):
            options.observer.told(sentence)


def is_plain(options: CompileOptions) -> bool:
    """Whether the interface of a network stays as its file has it."""
    conversion = options.conversion
    return (
        not options.input_shapes
        and conversion.batch is None
        and not wants_preprocessing(conversion)
    )


def wants_preprocessing(conversion: Conversion) -> bool:
    """Whether the inputs are to change."""
    return bool(conversion.changes_values or conversion.layout or conversion.input_type)


def keep_layers(module: ModuleOp, patterns: Iterable[str]) -> list[str]:
    """
    Mark the layers that names or regular expressions match, so that passes leave them
    alone. A pattern matches whole names.

    Returns:
        A sentence for each pattern that matches nothing.
    """
    named = [
        (op, source_names(op))
        for op in main_function(module).walk()
        if isinstance(op, NNOp)
    ]
    remarks: list[str] = []
    for pattern in patterns:
        found = [op for op, names in named if any(matches(pattern, n) for n in names)]
        for op in found:
            keep(op)
        if not found:
            remarks.append(f"--finegrain-fusing: no layer is named '{pattern}'")
    return remarks


def matches(pattern: str, name: str) -> bool:
    """Whether a name is the pattern, or what it describes as a regular expression."""
    return pattern == name or re.fullmatch(pattern, name) is not None


FUSING = (
    "fold-batch-norm",
    "decompose-linear",
    "merge-linear",
    "fuse-linear",
)
"""Passes that `--disable-fusing` leaves out."""

STRIDES = ("move-strides",)
"""Passes that `--disable-resnet-optimization` leaves out."""

GROUPS = ("fuse-groups",)
"""Passes that `--disable-gfusing` leaves out."""


def left_out(conversion: Conversion) -> frozenset[str]:
    """The names of passes that the options turn off."""
    names: list[str] = []
    if conversion.disable_fusing:
        names += FUSING
    if conversion.disable_resnet_optimization:
        names += STRIDES
    if conversion.disable_gfusing:
        names += GROUPS
    return frozenset(names)
