"""16-bit floats are computed in float32 and rounded once an operation."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from ovc.dialects.nn.base import NNOp
from ovc.dialects.nn.conv import ConvOp, ConvTransposeOp
from ovc.dialects.nn.grid_sample import GridSampleOp
from ovc.dialects.nn.layer_norm import LayerNormOp, RmsNormOp
from ovc.dialects.nn.linear import GemmOp, MatmulOp
from ovc.dialects.nn.local_norm import LpNormOp, LrnOp, MeanVarianceNormOp
from ovc.dialects.nn.norm import BatchNormOp, GroupNormOp, InstanceNormOp
from ovc.dialects.nn.pool import (
    AveragePoolOp,
    GlobalAveragePoolOp,
    LpPoolOp,
    MaxPoolIndicesOp,
    MaxPoolOp,
)
from ovc.dialects.nn.resize import ResizeOp
from ovc.dialects.nn.rnn import GruOp

IMAGE = [1, 4, 5, 6]
PADDED = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}

CASES: list[tuple[type[NNOp], list[list[int]], dict[str, Any]]] = [
    (ConvOp, [IMAGE, [2, 4, 3, 3], [2]], {"pads": [1, 1, 1, 1]}),
    (ConvTransposeOp, [IMAGE, [4, 2, 3, 3]], {"strides": [2, 2]}),
    (MatmulOp, [[3, 4], [4, 2]], {}),
    (GemmOp, [[3, 4], [4, 2], [2]], {"alpha": 0.5, "beta": 2.0}),
    (MaxPoolOp, [IMAGE], PADDED),
    (MaxPoolIndicesOp, [IMAGE], PADDED),
    (AveragePoolOp, [IMAGE], PADDED),
    (LpPoolOp, [IMAGE], PADDED),
    (GlobalAveragePoolOp, [IMAGE], {}),
    (BatchNormOp, [IMAGE, [4], [4], [4], [4]], {}),
    (InstanceNormOp, [IMAGE, [4], [4]], {}),
    (GroupNormOp, [IMAGE, [4], [4]], {"num_groups": 2}),
    (LayerNormOp, [[3, 4], [4], [4]], {}),
    (RmsNormOp, [[3, 4], [4]], {}),
    (LrnOp, [IMAGE], {"size": 3}),
    (LpNormOp, [IMAGE], {}),
    (MeanVarianceNormOp, [IMAGE], {}),
    (ResizeOp, [IMAGE], {"mode": "linear"}),
    (ResizeOp, [IMAGE], {"mode": "nearest"}),
    (GridSampleOp, [IMAGE, [1, 2, 3, 2]], {}),
    (GruOp, [[2, 1, 3], [1, 12, 3], [1, 12, 4], [1, 24]], {}),
]


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(np.float16, 1e-2), (ml_dtypes.bfloat16, 1e-1), (np.float64, 1e-6)],
)
@pytest.mark.parametrize(("operation", "shapes", "properties"), CASES)
def test_types(
    operation, shapes, properties, dtype, tolerance, make_op, check_meaning
) -> None:
    random = np.random.default_rng(0)
    inputs: list[Any] = [random.uniform(0.1, 1, s).astype(dtype) for s in shapes]
    if operation is ResizeOp:
        inputs += [None, np.array([1, 1, 2, 1.5], np.float32)]
    wide = [i if i is None else i.astype(np.float64) for i in inputs]
    expected = make_op(operation, wide, properties).reference(*wide)
    first = expected[0] if isinstance(expected, tuple) else expected
    check_meaning(operation, inputs, properties, [first], tolerance)
