"""The commands on the project's own network: what they print, and their exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ovc.compiler.commands import shadow

Digit = Callable[[int], Path]

UNIT = ("--preprocess", "unit")


class TestCompile:
    def test_writes_an_artifact(self, command, model: Path, tmp_path: Path) -> None:
        place = tmp_path / "x.ovc"

        done = command("compile", model, "-o", place)

        assert done.code == 0
        assert place.read_bytes()[:2] == b"PK"
        assert not done.out
        assert "x.ovc: cpu," in done.err

    def test_writes_here_by_default(
        self, command, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        assert command("compile", model, "--quiet").err == ""
        assert os.listdir() == ["digits.ovc"]

    def test_json(self, command, model: Path, tmp_path: Path) -> None:
        done = command("compile", model, "-o", tmp_path / "x.ovc", "--json", "--stats")

        facts = json.loads(done.out)
        assert facts["target"] == "cpu"
        assert facts["launches"] >= 4
        assert "fuse-linear" in {p["name"] for p in facts["passes"]}

    def test_prints_ir(self, command, model: Path, tmp_path: Path) -> None:
        done = command(
            "compile", model, "-o", tmp_path / "x", "--print-ir-after", "network"
        )

        assert "IR after network" in done.out
        assert "nn.conv" in done.out

    def test_statistics(self, command, model: Path, tmp_path: Path) -> None:
        done = command("compile", model, "-o", tmp_path / "x.ovc", "--stats")

        assert "dce" in done.out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--target", "tpu"), "'tpu' is neither cpu nor gpu"),
            (("--input-shape", "1x1"), "'1x1' is not of the form NAME:1x3x320x320"),
            (("--input-shape", "x:1", "--input-shape", "x:2"), "given twice"),
            (("--json", "--print-ir-after", "plan"), "exclude each other"),
            (("--print-ir-after", "nosuch"), "'nosuch' is none of infer-shapes"),
            (("--nosuch",), "No such option"),
        ],
    )
    def test_wrong_usage(
        self, arguments: tuple[str, ...], message: str, command, model: Path
    ) -> None:
        done = command("compile", model, *arguments)

        assert done.code == 2
        assert message in " ".join(done.err.split())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("-o", "absent/x.ovc"), "absent/x.ovc: there is no folder absent"),
            (("-o", "."), "is a folder"),
            (("--input-shape", "picture:1x1x8x8", "-o", "x.ovc"), "picture"),
            (("--input-shape", "image:1x3x8x8", "-o", "x.ovc"), "image"),
            (("--pipeline", "nosuch", "-o", "x.ovc"), "nosuch"),
        ],
    )
    def test_errors(
        self,
        arguments: tuple[str, ...],
        message: str,
        command,
        model: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)

        done = command("compile", model, *arguments)

        assert done.code == 1
        assert done.err.startswith("error: ")
        assert message in done.err
        assert "Traceback" not in done.err
        assert os.listdir() == []

    def test_an_older_artifact_stays(
        self, command, model: Path, artifact: Path, tmp_path: Path
    ) -> None:
        place = tmp_path / "x.ovc"
        place.write_bytes(artifact.read_bytes())
        broken = tmp_path / "broken.onnx"
        broken.write_bytes(model.read_bytes()[:1000])

        assert command("compile", broken, "-o", place).code == 1
        assert place.read_bytes() == artifact.read_bytes()


class TestRun:
    def test_reads_a_digit(
        self, command, artifact: Path, digit: Digit, labels: Path
    ) -> None:
        done = command(
            "run", artifact, "--input", digit(7), "--labels", labels, "--top", 3, *UNIT
        )

        assert done.code == 0
        rows = [line for line in done.out.splitlines() if "│" in line]
        assert "seven" in rows[0]
        assert len(rows) == 3

    def test_a_model_is_compiled_first(
        self, command, model: Path, digit: Digit
    ) -> None:
        done = command("run", model, "-i", f"image={digit(4)}", "--json", *UNIT)

        (output,) = json.loads(done.out)["outputs"]
        assert output["name"] == "digit"
        assert output["top"][0][0]["index"] == 4
        assert np.array(output["values"]).shape == (1, 10)

    @pytest.mark.device
    def test_on_the_gpu(self, command, model: Path, digit: Digit) -> None:
        done = command("run", model, "-d", "gpu", "-i", digit(2), "--json", *UNIT)

        assert json.loads(done.out)["outputs"][0]["top"][0][0]["index"] == 2

    @pytest.mark.parametrize("suffix", ["npz", "npy"])
    def test_output_files(
        self, suffix: str, command, artifact: Path, digit: Digit, tmp_path: Path
    ) -> None:
        place = tmp_path / f"y.{suffix}"

        done = command("run", artifact, "-i", digit(5), "-o", place, *UNIT)

        assert done.code == 0
        loaded = np.load(place)
        scores = loaded if suffix == "npy" else loaded["digit"]
        assert scores.argmax() == 5
        assert os.listdir(tmp_path) == [place.name]

    def test_profile(self, command, artifact: Path, digit: Digit) -> None:
        done = command("run", artifact, "-i", digit(1), "--profile", *UNIT)

        assert "conv2" in done.out

    def test_labels_as_json(
        self, command, artifact: Path, digit: Digit, tmp_path: Path
    ) -> None:
        path = tmp_path / "labels.json"
        path.write_text(json.dumps({str(i): f"class {i}" for i in range(10)}))

        done = command("run", artifact, "-i", digit(3), "-l", path, "--json", *UNIT)

        assert json.loads(done.out)["outputs"][0]["top"][0][0]["label"] == "class 3"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((), "no file for input 'image' float32[1, 1, 8, 8]"),
            (("-i", "nosuch.png"), "nosuch.png: there is no such file"),
            (("-i", "wrong=DIGIT"), "the network has no input 'wrong'"),
            (("-i", "DIGIT", "-l", "nosuch"), "nosuch: the labels cannot be read"),
            (("-i", "DIGIT", "-l", "THREE"), "has 3 labels, which fit no output"),
            (("-i", "DIGIT", "-o", "absent/y.npz"), "absent/y.npz: cannot be written"),
            (("-i", "DIGIT", "-o", "y.txt"), "written as .npz or .npy"),
            (("-i", "DIGIT", "-d", "gpu"), "compiled for CPU"),
            (("-i", "DIGIT", "-d", "tpu"), "no device 'tpu'"),
            (("-i", "DIGIT", "--input-shape", "image:1x1x8x8"), "compiled already"),
            (("-i", "SHAPE"), "image: shape 1x1x8x9 given"),
            (("-i", "TYPE"), "image: float64 given"),
        ],
    )
    def test_errors(
        self,
        arguments: tuple[str, ...],
        message: str,
        command,
        artifact: Path,
        digit: Digit,
        tmp_path: Path,
    ) -> None:
        (tmp_path / "three.txt").write_text("a\nb\nc\n")
        np.save(tmp_path / "shape.npy", np.zeros((1, 1, 8, 9), np.float32))
        np.save(tmp_path / "type.npy", np.zeros((1, 1, 8, 8)))
        files = {
            "DIGIT": digit(1),
            "THREE": tmp_path / "three.txt",
            "SHAPE": tmp_path / "shape.npy",
            "TYPE": tmp_path / "type.npy",
        }
        given = list(arguments)
        for word, path in files.items():
            given = [argument.replace(word, str(path)) for argument in given]

        done = command("run", artifact, *given)

        assert done.code == 1
        assert message in done.err
        assert done.err.count("\n") == 1
        assert done.out == ""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--preprocess", "nosuch"),
            ("--resize", "nosuch"),
            ("--channel-order", "grb"),
            ("--layout", "chw"),
            ("--mean", "a,b"),
            ("--top", "0"),
            ("--threads", "0"),
        ],
    )
    def test_wrong_usage(
        self, arguments: tuple[str, ...], command, artifact: Path
    ) -> None:
        assert command("run", artifact, *arguments).code == 2

    def test_a_damaged_artifact(
        self, command, artifact: Path, digit: Digit, tmp_path: Path
    ) -> None:
        data = bytearray(artifact.read_bytes())
        data[len(data) // 2] ^= 1
        path = tmp_path / "damaged.ovc"
        path.write_bytes(data)

        done = command("run", path, "-i", digit(1))

        assert done.code == 1
        assert "damaged.ovc" in done.err


class TestInspect:
    def test_a_model(self, command, model: Path) -> None:
        facts = json.loads(command("inspect", model, "--json", "--layers").out)

        assert facts["inputs"] == [
            {"name": "image", "shape": [1, 1, 8, 8], "dtype": "float32"}
        ]
        assert facts["operations"]["nn.conv"] == 3
        assert facts["flops"] > 100_000
        assert facts["weights_bytes"] > 80_000
        assert len(facts["layers"]) == sum(facts["operations"].values())

    def test_an_artifact(self, command, artifact: Path) -> None:
        facts = json.loads(command("inspect", artifact, "--json", "--layers").out)

        assert facts["target"] == "cpu"
        assert facts["outputs"][0]["name"] == "digit"
        assert len(facts["layers"]) == facts["launches"]
        assert facts["source"]["path"].endswith("digits.onnx")

    @pytest.mark.parametrize("flags", [(), ("--layers",)])
    def test_for_people(
        self, flags: tuple[str, ...], command, model: Path, artifact: Path
    ) -> None:
        for file in (model, artifact):
            done = command("inspect", file, *flags)
            assert done.code == 0
            assert "1x1x8x8" in done.out
            assert ("conv3" in done.out) == bool(flags)

    def test_neither(self, command, labels: Path) -> None:
        done = command("inspect", labels)

        assert done.code == 1
        assert "labels.txt" in done.err


class TestOthers:
    def test_devices(self, command) -> None:
        facts = json.loads(command("devices", "--json").out)

        assert facts[0]["device"] == "CPU"
        assert facts[0]["available"]
        assert "CPU" in command("devices").out

    def test_bench(self, command, artifact: Path) -> None:
        done = command("bench", artifact, "-n", 3, "--json", "--per-layer")

        facts = json.loads(done.out)
        assert facts["iterations"] == 3
        assert facts["min_ms"] <= facts["median_ms"] <= facts["max_ms"]
        assert facts["layers"]
        assert "median ms" in command("bench", artifact, "-n", 2).out

    def test_version_and_help(self, command) -> None:
        assert command("--version").out.startswith("ovc 0.")
        assert "Commands" in command("--help").out
        assert command("run", "-h").code == 0

    @pytest.mark.parametrize("arguments", [(), ("nosuch",), ("run",)])
    def test_wrong_usage(self, arguments: tuple[str, ...], command) -> None:
        assert command(*arguments).code == 2

    def test_mistakes_of_our_own(
        self, command, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        def broken(*arguments: object) -> None:
            raise RuntimeError("an invariant")

        monkeypatch.setattr("ovc.compiler.driver.compile_anew", broken)
        done = command("compile", model, "-o", tmp_path / "x.ovc")

        assert done.code == 1
        assert "RuntimeError: an invariant" in done.err
        assert "report it" in done.err
        with pytest.raises(RuntimeError):
            command("--debug", "compile", model, "-o", tmp_path / "x.ovc")


def cpu_seconds(process: int) -> float:
    """Processor time that a process has used: its imports are done after some."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class TestProcesses:
    def start(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "ovc", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            text=True,
            **options,  # type: ignore[call-overload]
        )

    def test_the_module_is_the_command(self) -> None:
        process = self.start("--version", stdout=subprocess.PIPE)

        assert process.communicate()[0].startswith("ovc 0.")
        assert process.returncode == 0

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
    def test_an_interrupt(self, artifact: Path) -> None:
        process = self.start("bench", artifact, "-n", 10**9, stderr=subprocess.PIPE)
        while cpu_seconds(process.pid) < 3 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)

        assert "Traceback" not in process.communicate()[1]
        assert process.returncode == 130

    def test_a_reader_who_leaves(self, model: Path) -> None:
        read, write = os.pipe()
        os.close(read)
        process = self.start(
            "inspect", model, "--layers", stdout=write, stderr=subprocess.PIPE
        )
        os.close(write)

        assert "Traceback" not in process.communicate()[1]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_a_full_disk(self, model: Path) -> None:
        with open("/dev/full", "w") as full:
            process = self.start(
                "inspect", model, "--json", stdout=full, stderr=subprocess.PIPE
            )
            message = process.communicate()[1]

        assert process.returncode == 1
        assert message == "error: the output: No space left on device\n"


class TestShadowing:
    def script(self, folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        path = folder / "ovc"
        path.write_text(text)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    def test_another_script(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = "#!/usr/bin/python3\nfrom openvino.tools.ovc.main import main\n"
        self.script(tmp_path, text, monkeypatch)

        assert "python -m ovc" in (shadow.conflict("__main__.py") or "")

    def test_our_script(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script(tmp_path, "from ovc.compiler.cli import main\n", monkeypatch)

        assert shadow.conflict("__main__.py") is None

    def test_no_script(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        assert shadow.conflict("__main__.py") is None
