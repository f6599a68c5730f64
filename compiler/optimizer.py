"""
The generic part of a compilation: options applied, passes run and, when asked for, each
proved on the network itself; what half weights cost is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from ..dialects.const import ConstantOp
from ..dialects.types import shape_of, value_dtype
from ..runtime.errors import InputError
from .exporters.copies import copied
from .images import PRESETS
from .inputs import InputSlot, read_inputs
from .options import CompileOptions, PassReport
from .passes.halve_weights import HalveWeightsPass
from .pipeline import Pipeline
from .prepare import prepare
from .proof import Inputs, Proof, Prover, arguments_of, distance, outputs_of
from .registry import make_context
from .whole_numbers import float_inputs


def optimize(
    module: ModuleOp, pipeline: Pipeline, options: CompileOptions, name: str = "network"
) -> list[PassReport]:
    """
    Prepare a module as the options say and run the generic passes on it, in place.

    Args:
        name: how the files of reproducers begin.

    Raises:
        OvcError: the options do not fit the network, or a sample does not.
    """
    prepare(module, options)
    samples = tuple(read_sample(path, module) for path in options.samples)
    context = make_context()
    options.observer.prepared(module)
    if options.verify_each:
        proof = Proof(samples, options.reproducers, name)
        reports = Prover(proof, options.observer).run(pipeline, module, context)
    else:
        reports = pipeline.run(
            module, context, options.observer, verify_each=options.check_every_pass
        )
    if options.conversion.data_type == "FP16":
        options.observer.told(cost_of_halves(module, samples))
    return reports


def read_sample(path: Path, module: ModuleOp) -> Inputs:
    """
    The inputs in one file: an .npz with all of them, or any file for a single input.

    Raises:
        InputError: the file does not fit. The message starts with it.
    """
    slots = [
        InputSlot(name, shape_of(value), value_dtype(value))
        for name, value in arguments_of(module).items()
    ]
    arrays = read_inputs([str(path)], slots, PRESETS["none"])
    for slot in slots:
        array = arrays[slot.name]
        if array.shape != slot.shape:
            raise InputError(
                f"{path}: has shape {list(array.shape)}, input '{slot.name}' takes "
                f"{list(slot.shape)}"
            )
        arrays[slot.name] = array.astype(slot.dtype, copy=False)
    return arrays


def cost_of_halves(module: ModuleOp, samples: Sequence[Inputs]) -> str:
    """What storing weights as half saves and costs, in a sentence."""
    halved = copied(module)
    HalveWeightsPass().count(halved)
    measured = samples or [float_inputs(arguments_of(module))]
    errors = [
        distance(old, new)
        for inputs in measured
        for old, new in zip(
            outputs_of(module, inputs), outputs_of(halved, inputs), strict=True
        )
    ]
    data = f"{len(samples)} samples" if samples else "random inputs"
    before, after = weight_bytes(module), weight_bytes(halved)
    return (
        f"FP16: weights {before / 1e6:.2f} MB to {after / 1e6:.2f} MB; on {data} outputs "
        f"differ by at most {max(errors, default=0.0):.2g} of their largest element"
    )


def weight_bytes(module: ModuleOp) -> int:
    """Bytes of all constants."""
    arrays = [op.array for op in module.walk() if isinstance(op, ConstantOp)]
    return int(np.sum([a.nbytes for a in arrays], dtype=np.int64))
