"""Target-neutral passes, one file each."""

from __future__ import annotations

from xdsl.passes import ModulePass

from .copy_outputs import CopyOutputsPass
from .cse import CommonSubexpressionPass
from .dce import DeadCodePass
from .fold_batch_norm import FoldBatchNormPass
from .fold_constants import FoldConstantsPass
from .infer_shapes import InferShapesPass
from .remove_identity import RemoveIdentityPass

PASSES: tuple[type[ModulePass], ...] = (
    InferShapesPass,
    FoldConstantsPass,
    DeadCodePass,
    CommonSubexpressionPass,
    RemoveIdentityPass,
    FoldBatchNormPass,
    CopyOutputsPass,
)
