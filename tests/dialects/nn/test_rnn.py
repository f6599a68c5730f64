"""Recurrent networks against onnxruntime, and their decompositions' loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ovc.dialects.nn.rnn import GruOp, LstmOp, RnnOp
from xdsl.utils.exceptions import VerifyException

STEPS, BATCH, INPUTS, HIDDEN = 4, 3, 2, 5

KINDS: dict[str, tuple[Any, int]] = {
    "RNN": (RnnOp, 1),
    "GRU": (GruOp, 3),
    "LSTM": (LstmOp, 4),
}

CASES: list[tuple[str, str, dict[str, Any]]] = [
    # operators, operands, attributes
    ("RNN GRU LSTM", "", {}),
    ("RNN GRU LSTM", "b", {"direction": "reverse"}),
    ("RNN GRU LSTM", "b sequence_lens initial_h", {"direction": "bidirectional"}),
    ("RNN GRU LSTM", "b", {"clip": 0.3}),
    ("RNN GRU LSTM", "initial_h sequence_lens", {"direction": "reverse"}),
    ("GRU", "b", {"linear_before_reset": 1}),
    ("GRU", "", {"linear_before_reset": 1, "direction": "bidirectional"}),
    ("LSTM", "b initial_h initial_c p", {}),
    ("LSTM", "b p sequence_lens", {"direction": "bidirectional"}),
    ("LSTM", "b", {"input_forget": 1}),
    ("LSTM", "b", {"activations": ["HardSigmoid", "Relu", "Softsign"]}),
    (
        "LSTM",
        "b",
        {
            "activations": ["HardSigmoid", "LeakyRelu", "Elu"],
            "activation_alpha": [0.3, 0.1, 0.7],
            "activation_beta": [0.4],
        },
    ),
    ("RNN", "b", {"activations": ["ThresholdedRelu"], "activation_alpha": [0.2]}),
    ("RNN", "b", {"activations": ["Softplus"]}),
    (
        "RNN",
        "b",
        {
            "activations": ["Affine"],
            "activation_alpha": [0.5],
            "activation_beta": [0.25],
        },
    ),
    (
        "RNN",
        "",
        {
            "activations": ["ScaledTanh"],
            "activation_alpha": [1.5],
            "activation_beta": [0.5],
        },
    ),
]


def operands(kind: str, given: str, direction: str) -> list[np.ndarray | None]:
    random = np.random.default_rng(0)
    directions = 2 if direction == "bidirectional" else 1
    rows = KINDS[kind][1] * HIDDEN
    shapes = {
        "x": (STEPS, BATCH, INPUTS),
        "w": (directions, rows, INPUTS),
        "r": (directions, rows, HIDDEN),
        "b": (directions, 2 * rows),
        "sequence_lens": (BATCH,),
        "initial_h": (directions, BATCH, HIDDEN),
        "initial_c": (directions, BATCH, HIDDEN),
        "p": (directions, 3 * HIDDEN),
    }
    if kind != "LSTM":
        del shapes["initial_c"], shapes["p"]
    arrays: list[np.ndarray | None] = []
    for name, shape in shapes.items():
        array = random.standard_normal(shape).astype(np.float32)
        if name == "sequence_lens":
            array = np.array([4, 1, 3], np.int32)
        arrays.append(array if name in (*"xwr", *given.split()) else None)
    return arrays


@pytest.mark.parametrize(
    ("kind", "given", "attributes"),
    [(kind, g, a) for kinds, g, a in CASES for kind in kinds.split()],
)
def test_recurrent(kind, given, attributes, run_onnx, check_meaning) -> None:
    inputs = operands(kind, given, attributes.get("direction", "forward"))
    attributes = attributes | {"hidden_size": HIDDEN}
    count = 3 if kind == "LSTM" else 2
    wanted = inputs[: 1 + max(i for i, a in enumerate(inputs) if a is not None)]
    expected = run_onnx(kind, wanted, attributes, outputs=count)
    check_meaning(KINDS[kind][0], inputs, attributes, expected)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_batch_first(direction, make_op) -> None:
    inputs = operands("LSTM", "b initial_h initial_c", direction)
    expected = make_op(LstmOp, inputs, {"direction": direction}).reference(*inputs)
    for i in (0, 5, 6):
        inputs[i] = np.ascontiguousarray(np.swapaxes(inputs[i], 0, 1))
    op = make_op(LstmOp, inputs, {"direction": direction, "layout": 1})
    op.verify_()
    y, y_h, y_c = op.reference(*inputs)
    np.testing.assert_array_equal(y, expected[0].transpose(2, 0, 1, 3))
    np.testing.assert_array_equal(y_h, expected[1].swapaxes(0, 1))
    np.testing.assert_array_equal(y_c, expected[2].swapaxes(0, 1))


def test_full_lengths_need_no_masks(make_op) -> None:
    inputs = operands("GRU", "sequence_lens", "forward")
    inputs[4] = np.full(BATCH, STEPS, np.int32)
    ops, _ = make_op(GruOp, inputs, {}).decompose_results()
    assert not any(op.name == "nn.where" for op in ops)


def test_precision_is_kept(make_op) -> None:
    inputs = [
        None if a is None else a.astype(np.float64) for a in operands("GRU", "b", "")
    ]
    y, _ = make_op(GruOp, inputs, {}).reference(*inputs)
    assert y.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "properties", "message"),
    [
        ((1, (1, 4, INPUTS)), {}, r"w \[1, 4, 2\].*expected \[1, 15, 2\]"),
        ((0, (4, 3)), {}, r"input \[4, 3\] must have rank 3"),
        ((5, (1, 2, HIDDEN)), {}, r"initial_h \[1, 2, 5\].*\[1, 3, 5\]"),
        (None, {"hidden_size": 4}, "hidden_size 4 .* 5 columns"),
        (None, {"direction": "back"}, "direction back"),
        (None, {"activations": ["Tanh"]}, "must be 2 for each direction"),
        (None, {"activations": ["Tanh", "Sine"]}, "activation Sine is not supported"),
    ],
)
def test_illegal(change, properties, message, make_op) -> None:
    inputs = operands("GRU", "b", "forward")
    if change:
        inputs[change[0]] = np.zeros(change[1], np.float32)
    with pytest.raises(VerifyException, match=message):
        make_op(GruOp, inputs, properties)
