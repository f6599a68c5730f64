"""Options as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from ovc.compiler.conversion import make_conversion


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1,2,3]", (("", (1.0, 2.0, 3.0)),)),
        ("(1, 2, 3)", (("", (1.0, 2.0, 3.0)),)),
        ("1,2,3", (("", (1.0, 2.0, 3.0)),)),
        ("x[1,2,3],y(4)", (("x", (1.0, 2.0, 3.0)), ("y", (4.0,)))),
        ("[1,2],[3]", (("", (1.0, 2.0)), ("", (3.0,)))),
        ([1, 2, 3], (("", (1.0, 2.0, 3.0)),)),
        (2, (("", (2.0,)),)),
        ({"x": [1, 2]}, (("x", (1.0, 2.0)),)),
        ([[1, 2], [3]], (("", (1.0, 2.0)), ("", (3.0,)))),
    ],
)
def test_numbers_by_channel(text: Any, value: Any) -> None:
    assert make_conversion(mean_values=text).mean_values == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("layout", "nhwc", (("", "nhwc"),)),
        ("layout", "x:NHWC", (("x", "nhwc"),)),
        ("layout", "x(nchw->nhwc)", (("x", "nchw->nhwc"),)),
        ("input_type", "u8", (("", "u8"),)),
        ("input_type", "x:uint8,y:float", (("x", "u8"), ("y", "f32"))),
        ("inputs", "a, b", ("a", "b")),
        ("outputs", ["a", "b,a"], ("a", "b")),
        ("finegrain_fusing", "conv[0-9]{1,2},b", ("conv[0-9]{1,2}", "b")),
        ("data_type", "half", "FP16"),
        ("data_type", "float", "FP32"),
        ("batch", "4", 4),
        ("mean_file", "x:m.npy", (("x", "m.npy"),)),
    ],
)
def test_texts(name: str, text: Any, value: Any) -> None:
    assert getattr(make_conversion(**{name: text}), name) == value


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mean_values": "[1,two]"}, "mean_values: 'two' is not a number"),
        ({"mean_values": "x[1"}, "not of the form"),
        ({"scale": 0}, "scale: the scale is 0"),
        ({"scale_values": "1,0,1"}, "a scale is 0"),
        ({"scale": 2, "scale_values": "1"}, "exclude each other"),
        ({"mean_file": "m.npy", "mean_values": "1"}, "exclude each other"),
        ({"data_type": "int8"}, "none of FP32, FP16"),
        ({"layout": "nwhc"}, "no layout"),
        ({"input_type": "complex"}, "no input type"),
        ({"batch": 0}, "not a batch size"),
        ({"finegrain_fusing": "("}, "no regular expression"),
        ({"colour": 1}, "unknown option colour"),
    ],
)
def test_malformed_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_conversion(**options)


def test_only_what_differs_is_recorded() -> None:
    conversion = make_conversion(scale=2, mean_values="x[1,2]")

    assert conversion.recorded == {"mean_values": [["x", [1.0, 2.0]]], "scale": 2.0}
