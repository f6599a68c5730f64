"""The ONNX standard's own node tests: every one is imported and right, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper
from onnx_files import save
from ovc.compiler.frontends.onnx import UnsupportedModel, import_onnx
from ovc.compiler.interpreter import run_reference
from ovc.dialects.types import Array
from ovc.runtime.errors import ImportFailure

UNSUPPORTED = frozenset(
    "BitCast Col2Im Compress CumProd DFT DeformConv Det Dropout If ImageDecoder Loop "
    "MaxUnpool MelWeightMatrix NonMaxSuppression NonZero Optional OptionalGetElement "
    "OptionalHasElement RandomUniformLike ReverseSequence RoiAlign STFT Scan "
    "SequenceEmpty SplitToSequence TensorScatter TfIdfVectorizer Unique".split()
)
"""Operators with node tests that are refused: at all, or when an operand that decides
about shapes is not constant."""
