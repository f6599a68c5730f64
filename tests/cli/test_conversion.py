"""The flags of compile, and the commands convert, explain and opt-log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import ovc
import pytest
from ovc.compiler import opt
from typer.testing import CliRunner

Command = Any
SHAPE = ("--input-shape", "image:1x1x8x8")


def image() -> Any:
    return np.random.default_rng(0).integers(0, 17, (1, 8, 8, 1)).astype(np.uint8)


def expected(model: Path, mean: float, scale: float) -> Any:
    seen = (image().transpose(0, 3, 1, 2).astype(np.float32) - mean) / scale
    compiled = ovc.compile_model(model, input_shapes={"image": (1, 1, 8, 8)})
    return compiled(seen)[0]


@pytest.mark.parametrize("dash", ["-", "_"])
def test_camera_frames_go_in_as_they_are(
    command: Command, model: Path, tmp_path: Path, dash: str
) -> None:
    flags = ["--input-type=u8", "--layout=nhwc", "--mean-values=[3]", "--scale=2"]
    if dash == "_":
        flags = [f"--{flag[2:].replace('-', '_')}" for flag in flags]
    place = tmp_path / "m.ovc"

    done = command("compile", model, "-o", place, *SHAPE, *flags)

    assert done.code == 0, done.err
    compiled = ovc.import_model(place)
    assert compiled.input().shape == (1, 8, 8, 1)
    assert compiled.input().dtype == np.uint8
    np.testing.assert_allclose(
        compiled(image())[0], expected(model, 3, 2), rtol=1e-4, atol=1e-6
    )


def test_the_output_flag_cuts_and_still_takes_an_artifact(
    command: Command, model: Path, tmp_path: Path
) -> None:
    place = tmp_path / "cut.ovc"

    done = command("compile", model, *SHAPE, "--output", "relu1", "--output", place)

    assert done.code == 0, done.err
    assert [p.name for p in ovc.import_model(place).outputs] == ["relu1"]


def test_the_input_flag_cuts_and_fixes_a_shape(
    command: Command, model: Path, tmp_path: Path
) -> None:
    place = tmp_path / "cut.ovc"

    done = command("compile", model, "--input", "pool3[2,48,2,2]", "-o", place)

    assert done.code == 0, done.err
    (port,) = ovc.import_model(place).inputs
    assert port.shape == (2, 48, 2, 2)


def test_a_batch(command: Command, model: Path, tmp_path: Path) -> None:
    place = tmp_path / "m.ovc"

    assert command("compile", model, "-b", 3, "-o", place, *SHAPE[:0]).code == 0
    assert ovc.import_model(place).output().shape == (3, 10)


def test_half_weights_tell_their_cost(
    command: Command, model: Path, tmp_path: Path
) -> None:
    done = command(
        "compile", model, *SHAPE, "-o", tmp_path / "m.ovc", "--data-type=half"
    )

    assert done.code == 0
    assert (
        "FP16: weights 0.08 MB to 0.04 MB; on random inputs outputs differ" in done.err
    )


def test_names_that_match_nothing_are_a_warning(
    command: Command, model: Path, tmp_path: Path
) -> None:
    place = tmp_path / "m.mlir"

    done = command(
        "convert", model, *SHAPE, "-o", place, "--finegrain-fusing", "norm1,x.*"
    )

    assert done.code == 0
    assert "--finegrain-fusing: no layer is named 'x.*'" in done.err
    assert place.read_text().count("nn.batch_norm") == 1


def test_fusing_can_be_disabled(command: Command, model: Path, tmp_path: Path) -> None:
    place = tmp_path / "m.mlir"

    command("convert", model, *SHAPE, "-o", place, "--disable_fusing")

    assert place.read_text().count("nn.batch_norm") == 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--mean-values", "[1,x]"), "--mean-values: 'x' is not a number"),
        (("--scale", "0"), "--scale: the scale is 0"),
        (("--data-type", "int8"), "--data-type: 'int8' is none of"),
        (("--layout", "chwn"), "--layout: 'chwn' is no layout"),
        (("--batch", "0"), "--batch"),
        (("--emit", "tflite"), "neither ir nor onnx"),
    ],
)
def test_malformed_flags_are_wrong_usage(
    command: Command, model: Path, flags: tuple[str, ...], words: str
) -> None:
    done = command("convert", model, *flags)

    assert done.code == 2
    assert words in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--mean-values", "[1,2,3]"), "--mean-values: input 'image' has 1 channels"),
        (("--input-shape", "[1,1,8,8],[2]"), "2 shapes without a name for 0 inputs"),
        (("--output", "relu9"), "--output: there is no tensor or layer 'relu9'"),
        (("--mean-values", "picture[1]"), "no input 'picture'"),
    ],
)
def test_flags_that_do_not_fit_the_model(
    command: Command, model: Path, flags: tuple[str, ...], words: str
) -> None:
    done = command("convert", model, *SHAPE, *flags)

    assert done.code == 1
    assert words in done.err


def test_convert_writes_onnx(command: Command, model: Path, tmp_path: Path) -> None:
    place = tmp_path / "m.onnx"

    done = command("convert", model, *SHAPE, "--emit", "onnx", "-o", place, "--json")

    assert done.code == 0, done.err
    assert json.loads(done.out)["files"] == [str(place)]
    kinds = {node.op_type for node in onnx.load(place).graph.node}
    assert "BatchNormalization" not in kinds


def test_convert_writes_ir_and_weights(
    command: Command, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert command("convert", model, *SHAPE).code == 0

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["digits-optimized.mlir", "digits-optimized.safetensors"]


def test_verify_each(command: Command, model: Path, tmp_path: Path, digit: Any) -> None:
    place = tmp_path / "m.ovc"
    flags = ("--verify-each", "--sample", digit(3))

    done = command("compile", model, *SHAPE, "-o", place, *flags)

    assert done.code == 0, done.err
    assert (
        "all keep its results, on random floats, whole numbers and 1 sample" in done.err
    )


def test_explain(command: Command, model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"

    done = command("explain", model, *SHAPE, "--mean-values=3", "--report", report)

    assert done.code == 0, done.err
    for words in ("norm1", "pads with zeros", "MFLOP"):
        assert words in done.out
    assert "<svg" in report.read_text()


def test_explain_one_pass_as_json(command: Command, model: Path) -> None:
    done = command("explain", model, *SHAPE, "--pass", "dce", "--json")

    facts = json.loads(done.out)
    assert {p["name"] for p in facts["passes"]} == {"dce"}


def test_the_log_is_replayed(command: Command, model: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"

    assert command("opt-log", model, *SHAPE, "-o", log).code == 0
    again = command("opt-log", model, *SHAPE, "--replay", log, "--until", 3)
    other = command("opt-log", model, *SHAPE, "--replay", log, "--scale", 2)

    assert again.code == 0, again.err
    assert "3 steps give the networks of the log" in again.err
    assert other.code == 1
    assert "the network differs before the first pass" in other.err


def test_reports_and_logs_while_compiling(
    command: Command, model: Path, tmp_path: Path
) -> None:
    report, log = tmp_path / "r.html", tmp_path / "l.jsonl"
    flags = ("--report", report, "--opt-log", log, "--data-type", "FP16")

    done = command("compile", model, *SHAPE, "-o", tmp_path / "m.ovc", *flags)
    again = command("opt-log", model, *SHAPE, "--replay", log)

    assert done.code == 0, done.err
    assert "<svg" in report.read_text()
    assert again.code == 0, again.err


def test_text_is_compiled_like_the_model_it_came_from(
    command: Command, model: Path, tmp_path: Path
) -> None:
    text, place = tmp_path / "m.mlir", tmp_path / "m.ovc"
    command("convert", model, *SHAPE, "-o", text, "--scale", 2)

    done = command("compile", text, "-o", place)

    assert done.code == 0, done.err
    frames = image().transpose(0, 3, 1, 2).astype(np.float32)
    np.testing.assert_allclose(
        ovc.import_model(place)(frames)[0], expected(model, 0, 2), rtol=1e-4, atol=1e-6
    )


def test_layers_that_fp16_leaves_alone_say_why(command: Command, model: Path) -> None:
    done = command("explain", model, *SHAPE, "--data-type=half", "--json")

    reasons = [
        d["reason"]
        for d in json.loads(done.out)["left"]
        if d["pass_name"] == "halve-weights"
    ]
    assert reasons
    assert all(reason.startswith("stays f32: ") for reason in reasons)


@pytest.fixture
def text(command: Command, model: Path, tmp_path: Path) -> Path:
    """The digit network as IR text, with its batch norms."""
    place = tmp_path / "digits.mlir"
    assert command("convert", model, *SHAPE, "-o", place, "--disable-fusing").code == 0
    return place


def test_layers_of_a_text_have_their_names(command: Command, text: Path) -> None:
    explained = json.loads(command("explain", text, "--json").out)
    layers = {
        layer
        for p in explained["passes"]
        for a in p["applied"]
        for layer in a["layers"]
    }
    assert {"conv1", "norm1"} <= layers

    timed = json.loads(command("bench", text, "-n", 2, "--json", "--per-layer").out)
    assert {"conv1", "norm1", "relu1"} <= {
        n for one in timed["layers"] for n in one["layers"]
    }

    seen = json.loads(command("inspect", text, "--json", "--layers").out)
    assert ["conv1"] in [layer["layers"] for layer in seen["layers"]]


def test_ovc_opt_finds_the_weights_of_a_text(text: Path) -> None:
    done = CliRunner().invoke(opt.app, [str(text), "-p", "dce", "--locations"])

    assert done.exit_code == 0, done.output
    assert 'loc("conv1")' in done.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_convert_leaves_devices_alone(command: Command, model: Path) -> None:
    done = command("convert", model, *SHAPE, "-o", "/dev/full")

    assert done.code != 0
    assert "/dev/full: cannot be written: it is not an ordinary file" in done.err
    assert not Path("/dev/full.mlir").exists()


def test_two_outputs_of_one_name(command: Command, model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    proto.graph.output.append(proto.graph.output[0])
    name = proto.graph.output[0].name
    twice, place = tmp_path / "twice.onnx", tmp_path / "m.ovc"
    onnx.save(proto, twice)

    done = command("compile", twice, *SHAPE, "-o", place)

    assert done.code != 0
    assert f"there are two outputs '{name}'; rename one" in done.err
    assert command("compile", twice, *SHAPE, "-o", place, "--output", name).code == 0
