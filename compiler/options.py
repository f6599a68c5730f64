"""What a compilation may be asked for, and who watches it. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .conversion import Conversion, outside_brackets

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Declined:
    """A rewrite that could have happened and did not."""

    pass_name: str
    layers: tuple[str, ...]
    """Source layers of the operation; empty when unknown."""
    operation: str
    """What was left as it is, such as `nn.mul`."""
    rewrite: str
    """What could have happened; may be empty."""
    reason: str
    """The first condition that failed, in words."""


@dataclass(frozen=True)
class Applied:
    """A rewrite that happened."""

    pass_name: str
    layers: tuple[str, ...]
    """Source layers of everything that took part."""
    operations: tuple[str, ...]
    """Names of the operations that were replaced."""
    result: str
    """The name of the operation that stands for them now."""
    note: str = ""
    """What else is worth knowing, such as costs before and after."""


@dataclass(frozen=True)
class PassReport:
    """What one pass did: operation counts are of the whole module."""

    name: str
    seconds: float
    operations_before: int
    operations_after: int
    matches: int | None = None
    """How often the pass rewrote; None when it does not count."""
    declined: tuple[Declined, ...] = ()
    """Rewrites that could have happened and did not, with their reasons."""
    applied: tuple[Applied, ...] = ()
    """Rewrites that happened, as far as the pass says so."""


class Observer:
    """
    Someone who watches a compilation. This one ignores everything; the command line's
    shows a progress bar, prints IR and collects statistics.
    """

    def started(self, step: str, index: int, count: int) -> None:
        """Step `index` of `count` (from 0) begins. `step` is a word for people."""

    def finished(self, report: PassReport) -> None:
        """A pass ended."""

    def after_pass(self, name: str, module: Any) -> None:
        """A pass ended; `module` is the IR as it then is and must not be changed."""

    def stage(self, name: str, module: Any) -> None:
        """A stage ended; `module` is the IR as it then is and must not be changed."""

    def prepared(self, module: Any) -> None:
        """Options are applied, the passes begin; `module` must not be changed."""

    def told(self, sentence: str) -> None:
        """Something the user should know: a warning, or a measurement."""


@dataclass(frozen=True)
class CompileOptions:
    """
    Options of one compilation. Those in `recorded` decide the artifact's bytes; the
    others only watch or check.
    """

    input_shapes: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    """Static shapes by input name, for inputs with symbolic dimensions."""

    conversion: Conversion = field(default_factory=Conversion)
    """Changes to the network's interface, and passes to leave out."""

    pipeline: str | None = None
    """Text of the generic passes to run instead of the default ones."""

    cpu: str | None = None
    """A processor level such as x86-64-v3; None is this machine's processor."""

    winograd: str = "auto"
    """Whether 3x3 convolutions may run in tiles: auto or never."""

    strassen: str = "auto"
    """Whether products may take seven products of halves for eight: auto or never."""

    device_type: str | None = None
    """The type of OpenCL device, "cpu" or "gpu", to schedule for; None is "cpu"."""

    cache: Path | None = None
    """The folder of compiled objects and networks; None: nothing is looked up or kept."""

    tune: float | None = None
    """Seconds to spend on trying schedules on this machine; None: none are tried."""

    check_every_pass: bool = False
    """Verify the module after every pass, not only between stages."""

    verify_each: bool = False
    """Check after every pass that the network computes what it did before."""

    samples: tuple[Path, ...] = ()
    """Files with inputs, for `verify_each` and to measure what half weights cost."""

    reproducers: Path = Path()
    """The folder for networks on which a pass went wrong."""

    observer: Observer = field(default_factory=Observer, compare=False)

    @property
    def recorded(self) -> dict[str, Any]:
        """What the artifact's manifest says about the options: plain JSON values."""
        record: dict[str, Any] = {}
        if self.input_shapes:
            shapes = sorted(self.input_shapes.items())
            record["input_shapes"] = {name: list(shape) for name, shape in shapes}
        record |= self.conversion.recorded
        for name in ("pipeline", "cpu", "device_type"):
            if getattr(self, name) is not None:
                record[name] = getattr(self, name)
        for name in ("winograd", "strassen"):
            if getattr(self, name) != "auto":
                record[name] = getattr(self, name)
        return record


DIMENSIONS = r"\d+(?:[x, ]+\d+)*"
SHAPE_TEXT = re.compile(rf"^(.+?)(?:[:=]({DIMENSIONS})|[:=]?\[((?:{DIMENSIONS})?)\])$")


def parse_input_shape(text: str) -> tuple[str, Shape]:
    """
    Name and shape of `x:1x3x320x320`, `x=1,3,320,320` or `x[1,3,320,320]`; the name is
    empty in `[1,3,320,320]`.

    Raises:
        ValueError: the text has another form. The message shows the right one.
    """
    if text.strip().startswith(("[", "(")):
        return "", tuple(int(d) for d in re.findall(r"\d+", text))
    match = SHAPE_TEXT.match(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not of the form NAME:1x3x320x320")
    name, plain, bracketed = match.groups()
    return name, tuple(int(d) for d in re.findall(r"\d+", plain or bracketed or ""))


SQUARE = str.maketrans("()", "[]")


def parse_input_shapes(texts: Iterable[str]) -> dict[str, Shape]:
    """
    Shapes by input name of texts such as `x[1,3],y[2]`, `[1,3],[2]` and `x:1x3`. Those
    without a name belong to the inputs in order and are called as `shapes_by_place`
    says.

    Raises:
        ValueError: a text has another form, or one input has two shapes.
    """
    named: dict[str, Shape] = {}
    unnamed: list[Shape] = []
    for text in texts:
        bracketed = any(bracket in text for bracket in "[(")
        for part in outside_brackets(text) if bracketed else [text]:
            if not part.strip():
                continue
            name, shape = parse_input_shape(part.translate(SQUARE))
            if name in named:
                raise ValueError(f"the shape of '{name}' is given twice")
            if name:
                named[name] = shape
            else:
                unnamed.append(shape)
    return named | shapes_by_place(unnamed)


def shapes_by_place(shapes: Sequence[Shape]) -> dict[str, Shape]:
    """Shapes that have no name: "" stands for a single one's, else `#1`, `#2`, ..."""
    if len(shapes) == 1:
        return {"": shapes[0]}
    return {f"#{place}": shape for place, shape in enumerate(shapes, 1)}


def is_place(name: str) -> bool:
    """Whether a name stands for an input by its place."""
    return not name or re.fullmatch(r"#[1-9]\d*", name) is not None
