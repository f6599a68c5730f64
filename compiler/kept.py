"""
Whole networks in the cache: compiling the same file again is reading an artifact.

The key is a digest of the file, of the options and the target, and of the compiler itself.
What depends on other files (weights outside the model, mean images, samples), or has more
to tell than an artifact, is compiled every time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from ..runtime.artifact import (
    Artifact,
    copy_artifact,
    read_artifact,
    write_artifact,
)
from ..runtime.errors import ArtifactError
from .cache import SCHEDULES, Files, compiler_digest, network_cache
from .options import CompileOptions
from .targets import find_target, target_name

LIBRARIES = ("xdsl", "numpy", "llvmlite", "onnx")
"""Whose versions may change what is compiled."""

PLAIN_OPTIONS = frozenset({"batch", "inputs", "outputs"})
"""Options of the conversion that read no files and have nothing to tell."""

EXTERNAL = b"\x08location"
"""In a model file whose weights lie in others: a key of ONNX's external data."""


@dataclass(frozen=True)
class Kept:
    """The place of one compilation's artifact in the cache."""

    files: Files
    key: str

    def find(self) -> Artifact | None:
        """The artifact; None when it is not there, or damaged."""
        path = self.files.find(self.key)
        if path is None:
            return None
        try:
            return replace(read_artifact(path), path=None)
        except ArtifactError:
            self.files.drop(self.key)
            return None

    def write(self, artifact: Artifact, path: Path) -> None:
        """
        Write to `path` the artifact that was found.

        Raises:
            ArtifactError: the file cannot be written. The message starts with `path`.
        """
        try:
            copy_artifact(self.files.path(self.key), path)
        except OSError:  # another process made room meanwhile
            write_artifact(path, artifact)

    def add(self, artifact: Artifact) -> None:
        """Keep `artifact`, unless it cannot be written."""

        def write(path: Path) -> None:
            try:
                write_artifact(path, artifact, durable=False)
            except ArtifactError as error:
                raise OSError(str(error)) from error

        size = artifact.weights.nbytes + len(artifact.code) + len(artifact.ir)
        self.files.add(self.key, size, write)


def kept_artifact(path: Path, target: str, options: CompileOptions) -> Artifact | None:
    """
    The artifact that compiling a model file would give, if it is at hand.

    This imports nothing of what a compilation takes.
    """
    kept = kept_network(path, target, options)
    return kept.find() if kept else None


def kept_network(path: Path, target: str, options: CompileOptions) -> Kept | None:
    """Where the artifact of a model file is kept; None: it is compiled every time."""
    watched = options.check_every_pass or options.verify_each or options.samples
    watched = watched or options.tune is not None
    plain = set(options.conversion.recorded) <= PLAIN_OPTIONS
    if options.cache is None or watched or not plain:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None  # the frontend says it better
    if EXTERNAL in data:
        return None
    device = find_target(target_name(target, options)).facts()
    facts = [path.name, device, options.recorded, compiler_digest()]
    facts.append(_tuned(options.cache))
    facts += [version(name) for name in LIBRARIES]
    text = json.dumps(facts, sort_keys=True).encode()
    key = hashlib.sha256(text + hashlib.sha256(data).digest()).hexdigest()
    return Kept(network_cache(options.cache), key)


def _tuned(folder: Path) -> str:
    """A digest of the schedules that were tuned here."""
    try:
        return hashlib.sha256((folder / SCHEDULES).read_bytes()).hexdigest()
    except OSError:
        return ""
