"""IR text and safetensors are read back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import NetworkBuilder, evaluate
from ovc.compiler.exporters.to_ir import read_ir, write_ir
from ovc.compiler.locations import set_source, source_names
from ovc.dialects import const, nn
from ovc.runtime.errors import ImportFailure, OvcError
from safetensors.numpy import load_file
from xdsl.dialects.builtin import ModuleOp, f32


def network() -> ModuleOp:
    net = NetworkBuilder((1, 8))
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((8, 16)).astype(np.float32)
    product = net.add(nn.MatmulOp, net.block.args[0], net.constant(weights))
    zeros = net.constant(np.zeros((1, 100), np.float16))
    net.add(nn.CastOp, zeros, to=f32)
    return net.finish(product, net.values[-1])


def test_both_files_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = network()
    path = tmp_path / "m.mlir"
    inputs = {"arg0": np.ones((1, 8), np.float32)}

    files = write_ir(module, path)
    monkeypatch.setattr(const, "WEIGHTS", {})
    again = read_ir(path)

    assert files == [path, tmp_path / "m.safetensors"]
    assert str(again) == str(module)
    for new, old in zip(evaluate(again, inputs), evaluate(module, inputs), strict=True):
        np.testing.assert_array_equal(new, old)


def test_layers_keep_their_names(tmp_path: Path) -> None:
    net = NetworkBuilder((2,))
    layers = [(), ("conv 1",), ('a"b', "c")]
    for names in layers:
        set_source(net.add(nn.ReluOp, net.values[-1]).owner, *names)  # type: ignore[arg-type]
    module = net.finish()
    path = tmp_path / "m.mlir"

    write_ir(module, path)
    again = read_ir(path)

    found = [source_names(op) for op in again.walk() if isinstance(op, nn.ReluOp)]
    assert found == layers
    assert "unknown" not in path.read_text()
    assert str(again) == str(module)


def test_the_safetensors_library_reads_the_weights(tmp_path: Path) -> None:
    write_ir(network(), tmp_path / "m.mlir")

    (array,) = load_file(tmp_path / "m.safetensors").values()

    assert array.shape == (8, 16)
    assert array.dtype == np.float32


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_ir(network(), tmp_path / f"{name}.mlir")

    a, b = ((tmp_path / f"{n}.safetensors").read_bytes() for n in "ab")
    assert a == b


def test_a_network_without_large_weights_is_one_file(tmp_path: Path) -> None:
    net = NetworkBuilder((2,))
    net.add(nn.ReluOp, net.block.args[0])

    assert write_ir(net.finish(), tmp_path / "m.mlir") == [tmp_path / "m.mlir"]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ImportFailure, match=r"nothing\.mlir: cannot be read"):
        read_ir(tmp_path / "nothing.mlir")
    with pytest.raises(OvcError, match="cannot be written"):
        write_ir(network(), tmp_path / "no" / "m.mlir")
