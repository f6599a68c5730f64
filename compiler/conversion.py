"""
What a network's interface becomes, and which passes may touch it: the Model Optimizer's
options, as values and as the texts people write. Imports nothing heavy.

    network(((reverse(x) - mean) / scale))

Reverse comes first, then mean, then scale. An empty name stands for an input that was
not named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

Numbers: TypeAlias = tuple[float, ...]
Named: TypeAlias = tuple[tuple[str, Numbers], ...]
Texts: TypeAlias = tuple[tuple[str, str], ...]

DATA_TYPES = {"FP32": "FP32", "FLOAT": "FP32", "FP16": "FP16", "HALF": "FP16"}
"""Spellings of the types that weights are stored in."""

INPUT_TYPES = {
    **{name: name for name in ("u8", "i8", "u16", "i16", "i32", "i64", "f16", "f32")},
    **{"uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16", "int32": "i32"},
    **{"int64": "i64", "half": "f16", "float16": "f16", "float": "f32"},
    **{"float32": "f32", "fp32": "f32", "fp16": "f16"},
}
"""Spellings of the types that an input may arrive in."""

LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True)
class Conversion:
    """Changes to a network before it is optimized, and passes to leave out."""

    batch: int | None = None
    """The first size of every input."""

    inputs: tuple[str, ...] = ()
    """Tensors or layers that become the inputs; what is before them is cut off."""

    outputs: tuple[str, ...] = ()
    """Tensors or layers that become the outputs; what is behind them is cut off."""

    mean_values: Named = ()
    scale: float | None = None
    scale_values: Named = ()
    mean_file: Texts = ()
    """Paths of mean images by input name."""

    reverse_input_channels: bool = False
    layout: Texts = ()
    """By input name: `nhwc` as it arrives, or `nhwc->nchw`: the model's, as it arrives."""

    input_type: Texts = ()
    """By input name: the type in which the input arrives."""

    data_type: str = "FP32"
    """The type in which weights are stored: FP32 or FP16."""

    disable_fusing: bool = False
    disable_resnet_optimization: bool = False
    disable_gfusing: bool = False
    finegrain_fusing: tuple[str, ...] = ()
    """Names, or regular expressions, of layers that the generic passes leave alone."""

    @property
    def recorded(self) -> dict[str, Any]:
        """What differs from the default, as plain JSON values."""
        changed = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != f.default
        }
        record = {
            name: _plain(value, pairs=name in PAIRS) for name, value in changed.items()
        }
        if self.mean_file:
            record["mean_file"] = [[n, *_content(path)] for n, path in self.mean_file]
        return record

    @property
    def changes_values(self) -> bool:
        """Whether inputs are changed before the network sees them."""
        return bool(
            self.mean_values
            or self.scale is not None
            or self.scale_values
            or self.mean_file
            or self.reverse_input_channels
        )


PAIRS = frozenset({"mean_values", "scale_values", "mean_file", "layout", "input_type"})
"""Options with one value for each input."""


def _content(path: str) -> list[str]:
    """A file by its name and the hash of what is in it; "" when it cannot be read."""
    file = Path(path)
    try:
        return [file.name, sha256(file.read_bytes()).hexdigest()[:16]]
    except OSError:
        return [file.name, ""]


def _plain(value: Any, pairs: bool) -> Any:
    if pairs:
        return [[name, _plain(v, pairs=False)] for name, v in value]
    if isinstance(value, tuple):
        items: tuple[Any, ...] = value  # pyright: ignore[reportUnknownVariableType]
        return list(items)
    return value


def make_conversion(**options: Any) -> Conversion:
    """
    The conversion for options as people write them: texts in the Model Optimizer's
    forms, numbers, lists, or dictionaries by input name. None leaves one out.

    Raises:
        ValueError: an option is malformed. The message names it and shows the form.
    """
    given = {name: v for name, v in options.items() if v is not None}
    known = {f.name for f in fields(Conversion)}
    if unknown := sorted(set(given) - known):
        raise ValueError(
            f"unknown option {unknown[0]}; there are {', '.join(sorted(known))}"
        )
    values = {name: _parsed(name, value) for name, value in given.items()}
    result = Conversion(**values)
    for first, second in (("scale", "scale_values"), ("mean_file", "mean_values")):
        if getattr(result, first) and getattr(result, second):
            raise ValueError(f"{first} and {second} exclude each other")
    return result


def _parsed(name: str, value: Any) -> Any:
    try:
        return PARSERS[name](value) if name in PARSERS else value
    except ValueError as problem:
        raise ValueError(f"{name}: {problem}") from problem


def parse_batch(value: Any) -> int:
    """A size of at least 1."""
    try:
        batch = int(value)
    except (TypeError, ValueError):
        batch = 0
    if batch < 1:
        raise ValueError(f"'{value}' is not a batch size; give a number from 1 on")
    return batch


def parse_scale(value: Any) -> float:
    """A number other than 0."""
    number = _number(value)
    if number == 0.0:
        raise ValueError("the scale is 0; inputs are divided by it")
    return number


GROUP = re.compile(r"\s*,?\s*([^\[\](),]*?)\s*[\[(]([^\[\]()]*)[\])]\s*")


def parse_channels(value: Any) -> Named:
    """
    Numbers per channel, by input: `x[1,2,3],y[4]`, `[1,2,3]`, `(1,2,3)`, `1,2,3`, a
    sequence of numbers, or a mapping from names to one.
    """
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return tuple((str(name), _numbers(v)) for name, v in pairs.items())
    if not isinstance(value, str):
        items = [value] if isinstance(value, int | float) else list(value)
        if items and isinstance(items[0], str):
            return tuple(pair for item in items for pair in parse_channels(item))
        if (
            items
            and not isinstance(items[0], int | float)
            and hasattr(items[0], "__len__")
        ):
            return tuple(("", _numbers(item)) for item in items)
        return (("", _numbers(items)),)
    if not any(bracket in value for bracket in "[("):
        return (("", _numbers(value)),)
    place, groups = 0, list[tuple[str, Numbers]]()
    while place < len(value):
        match = GROUP.match(value, place)
        if match is None:
            raise ValueError(f"'{value}' is not of the form NAME[1,2,3] or [1,2,3]")
        groups.append((match[1].rstrip(":= "), _numbers(match[2])))
        place = match.end()
    return tuple(groups)


def _numbers(value: Any) -> Numbers:
    items = value.split(",") if isinstance(value, str) else value
    if isinstance(items, int | float):
        items = [items]
    return tuple(_number(item) for item in items)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"'{value}' is not a number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"'{value}' is not a finite number")
    return number


def parse_scales(value: Any) -> Named:
    """Like `parse_channels`, without zeros."""
    groups = parse_channels(value)
    if any(0.0 in numbers for _, numbers in groups):
        raise ValueError("a scale is 0; inputs are divided by it")
    return groups


def parse_words(value: Any) -> tuple[str, ...]:
    """Names: a text with commas, or a sequence of such texts."""
    texts: Iterable[Any] = [value] if isinstance(value, str) else value
    words = (w.strip() for text in texts for w in outside_brackets(str(text)))
    return tuple(dict.fromkeys(w for w in words if w))


def outside_brackets(text: str) -> Iterator[str]:
    """The parts between commas that stand in no brackets."""
    depth, start = 0, 0
    for index, letter in enumerate(text):
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and not depth:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def parse_regexes(value: Any) -> tuple[str, ...]:
    """Names or regular expressions."""
    words = parse_words(value)
    for word in words:
        try:
            re.compile(word)
        except re.error as problem:
            raise ValueError(f"'{word}' is no regular expression: {problem}") from None
    return words


def parse_data_type(value: Any) -> str:
    """FP32 or FP16, under any of their names."""
    name = DATA_TYPES.get(str(value).upper())
    if name is None:
        raise ValueError(f"'{value}' is none of FP32, FP16, half, float")
    return name


def _by_input(value: Any, kind: str, known: Mapping[str, str]) -> Texts:
    """`u8`, `x:u8`, `x(u8)`, several with commas, or a mapping."""
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        entries = [(str(n), str(v)) for n, v in pairs.items()]
    else:
        texts = [value] if isinstance(value, str) else list(value)
        words = [w.strip() for t in texts for w in str(t).split(",") if w.strip()]
        entries = [_name_and_text(word) for word in words]
    return tuple((name, _known(text, kind, known)) for name, text in entries)


def _name_and_text(word: str) -> tuple[str, str]:
    if word.endswith((")", "]", "}")):
        name, text = re.split(r"[(\[{]", word[:-1], maxsplit=1)
        return name.strip(), text.strip()
    name, separator, text = word.rpartition(":")
    return (name.strip(), text.strip()) if separator else ("", word)


def _known(text: str, kind: str, known: Mapping[str, str]) -> str:
    found = known.get(text.strip().lower())
    if found is None:
        choices = ", ".join(dict.fromkeys(known.values()))
        raise ValueError(f"'{text}' is no {kind}; there are {choices}")
    return found


LAYOUT_TEXTS = {
    **{name: name for name in LAYOUTS},
    **{f"{a}->{b}": f"{a}->{b}" for a in LAYOUTS for b in LAYOUTS},
}


def parse_layout(value: Any) -> Texts:
    """`nhwc`, `x:nhwc`, `x(nchw->nhwc)`."""
    return _by_input(value, "layout", LAYOUT_TEXTS)


def parse_input_type(value: Any) -> Texts:
    """`u8`, `x:u8`."""
    return _by_input(value, "input type", INPUT_TYPES)


def parse_mean_file(value: Any) -> Texts:
    """`mean.npy`, `x:mean.npy`, a path, or a mapping from names to paths."""
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return tuple((str(n), str(v)) for n, v in pairs.items())
    texts: Sequence[Any] = [value] if isinstance(value, str | Path) else list(value)
    entries = list[tuple[str, str]]()
    for text in map(str, texts):
        name, separator, path = text.partition(":")
        whole = not separator or Path(text).exists()
        entries.append(("", text) if whole else (name, path))
    return tuple(entries)


PARSERS: dict[str, Any] = {
    "batch": parse_batch,
    "inputs": parse_words,
    "outputs": parse_words,
    "mean_values": parse_channels,
    "scale": parse_scale,
    "scale_values": parse_scales,
    "mean_file": parse_mean_file,
    "layout": parse_layout,
    "input_type": parse_input_type,
    "data_type": parse_data_type,
    "finegrain_fusing": parse_regexes,
}
