"""Passes, one file each. None asks which target it is: they read its facts."""

from __future__ import annotations

from xdsl.passes import ModulePass

from .assign_layouts import AssignLayoutsPass
from .block_rows import BlockRowsPass
from .cancel_transposes import CancelTransposesPass
from .chain_nests import ChainNestsPass
from .copy_outputs import CopyOutputsPass
from .cse import CommonSubexpressionPass
from .dce import DeadCodePass
from .decompose import DecomposePass
from .decompose_linear import DecomposeLinearPass
from .defer_division import DeferDivisionPass
from .drop_copies import DropCopiesPass
from .expand_math import ExpandMathPass
from .fix_shapes import FixShapesPass
from .fold_batch_norm import FoldBatchNormPass
from .fold_constants import FoldConstantsPass
from .fold_preprocessing import FoldPreprocessingPass
from .fuse_epilogues import FuseEpiloguesPass
from .fuse_groups import FuseGroupsPass
from .fuse_horizontal import FuseHorizontalPass
from .fuse_linear import FuseLinearPass
from .halve_weights import HalveWeightsPass, ReadHalvesPass
from .infer_shapes import InferShapesPass
from .legalize_scalars import LegalizeScalarsPass
from .lower_kernels import LowerKernelsPass
from .merge_linear import MergeLinearPass
from .move_strides import MoveStridesPass
from .place_parts import PlacePartsPass
from .plan_memory import PlanMemoryPass
from .preprocess import PreprocessPass
from .recognize_activations import RecognizeActivationsPass
from .recognize_attention import RecognizeAttentionPass
from .recognize_group_norm import RecognizeGroupNormPass
from .recognize_layer_norm import RecognizeLayerNormPass
from .recognize_shuffle import RecognizeShufflePass
from .remove_empty import RemoveEmptyPass
from .remove_identity import RemoveIdentityPass
from .require_shapes import RequireShapesPass
from .schedule_nests import ScheduleNestsPass
from .share_kernels import ShareKernelsPass
from .skip_padding import SkipPaddingPass
from .trim_kernels import TrimKernelsPass
from .turn_products import TurnProductsPass
from .use_strassen import UseStrassenPass
from .use_winograd import UseWinogradPass

PASSES: tuple[type[ModulePass], ...] = (
    FixShapesPass,
    PreprocessPass,
    FoldPreprocessingPass,
    InferShapesPass,
    FoldConstantsPass,
    DeadCodePass,
    CommonSubexpressionPass,
    RemoveIdentityPass,
    FoldBatchNormPass,
    TrimKernelsPass,
    DecomposeLinearPass,
    MergeLinearPass,
    FuseLinearPass,
    MoveStridesPass,
    FuseGroupsPass,
    FuseHorizontalPass,
    TurnProductsPass,
    DeferDivisionPass,
    CancelTransposesPass,
    RecognizeActivationsPass,
    RecognizeLayerNormPass,
    RecognizeGroupNormPass,
    RecognizeShufflePass,
    RecognizeAttentionPass,
    RequireShapesPass,
    RemoveEmptyPass,
    CopyOutputsPass,
    DecomposePass,
    UseStrassenPass,
    UseWinogradPass,
    SkipPaddingPass,
    HalveWeightsPass,
    ReadHalvesPass,
    AssignLayoutsPass,
    BlockRowsPass,
    PlacePartsPass,
    FuseEpiloguesPass,
    LowerKernelsPass,
    ExpandMathPass,
    LegalizeScalarsPass,
    DropCopiesPass,
    ChainNestsPass,
    ShareKernelsPass,
    ScheduleNestsPass,
    PlanMemoryPass,
)
