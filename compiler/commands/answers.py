"""Outputs for people: the best classes with their labels, or a summary of the numbers."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from ...runtime.errors import InputError, OvcError
from .console import shape_text, table

Array = NDArray[Any]

CLASSES = 100_000
"""An output with more scores in a row is not taken for a classification."""

MOST_ROWS = 8
"""More rows of scores are summed up rather than shown one by one."""

SHOWN_VALUES = 1000
"""JSON holds the values of outputs with at most this many."""


@dataclass(frozen=True)
class Answer:
    """One class of one row of scores."""

    index: int
    score: float
    label: str | None


def read_labels(path: Path) -> list[str]:
    """
    Class names: one a line, or a JSON list, or a JSON object from index to name.

    Raises:
        InputError: the file is unreadable or empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"{path}: the labels cannot be read: {reason}") from problem
    labels = _json_labels(path, text) if path.suffix == ".json" else None
    if labels is None:
        labels = [line.strip() for line in text.rstrip().splitlines()]
    if not labels:
        raise InputError(f"{path}: there are no labels in it")
    return labels


def _json_labels(path: Path, text: str) -> list[str]:
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            entries = {int(k): v for k, v in cast("dict[str, Any]", value).items()}
            value = [entries.get(i, "") for i in range(max(entries, default=-1) + 1)]
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{path}: not a JSON list of labels: {problem}") from problem
    if not isinstance(value, list):
        raise InputError(f"{path}: not a JSON list of labels")
    return [str(label) for label in cast("list[Any]", value)]


def rows_of(array: Array) -> Array | None:
    """`[rows, classes]` when the array is scores of classes, else None."""
    if array.dtype.kind != "f" or not array.ndim:
        return None
    extents = [d for d in array.shape if d > 1]
    if len(extents) == 1 and 2 <= extents[0] <= CLASSES:
        return array.reshape(1, -1)
    if (
        array.ndim == 2
        and 0 < array.shape[0] <= MOST_ROWS
        and (2 <= array.shape[1] <= CLASSES)
    ):
        return array
    return None


def best(row: Array, count: int, labels: list[str] | None) -> list[Answer]:
    """The highest scores of one row, the first of equals first."""
    order: list[int] = np.argsort(-row.astype(np.float64), kind="stable")[
        :count
    ].tolist()
    return [
        Answer(i, float(row[i]), labels[i] if labels is not None else None)
        for i in order
    ]


def labelled_outputs(
    outputs: dict[str, Array], labels: list[str] | None, path: Path | None
) -> set[str]:
    """
    The outputs that are scores for the labels.

    Raises:
        InputError: labels were given and no output has as many classes.
    """
    if labels is None:
        return set()
    rows = {name: rows_of(array) for name, array in outputs.items()}
    found = {
        name for name, r in rows.items() if r is not None and r.shape[1] == len(labels)
    }
    if not found:
        shapes = ", ".join(f"'{n}' {shape_text(a.shape)}" for n, a in outputs.items())
        raise InputError(
            f"{path}: has {len(labels)} labels, which fit no output (there is {shapes})"
        )
    return found


def answer_table(
    name: str, row: Array, count: int, labels: list[str] | None, title: str
) -> Table:
    """The best classes of one row."""
    columns = ("class", "score") if labels is None else ("class", "label", "score")
    result = table(title or name, *columns, right=("class", "score"))
    for answer in best(row, count, labels):
        middle = [] if answer.label is None else [answer.label]
        result.add_row(str(answer.index), *middle, f"{answer.score:.4f}")
    return result


def summary_table(outputs: dict[str, Array]) -> Table:
    """Shape, type and range of each output."""
    numbers = ("least", "mean", "most")
    result = table("Outputs", "name", "shape", "type", *numbers, "first", right=numbers)
    for name, array in outputs.items():
        wide = array.astype(np.float64)
        facts = [
            f"{f(wide):.5g}" if array.size else "" for f in (np.min, np.mean, np.max)
        ]
        first = " ".join(f"{v:.4g}" for v in wide.reshape(-1)[:4])
        result.add_row(name, shape_text(array.shape), str(array.dtype), *facts, first)
    return result


def as_record(
    name: str, array: Array, count: int, labels: list[str] | None
) -> dict[str, Any]:
    """One output for JSON."""
    record: dict[str, Any] = {
        "name": name,
        "shape": list(array.shape),
        "dtype": str(array.dtype),
    }
    rows = rows_of(array)
    if count and rows is not None:
        record["top"] = [
            [
                {"index": a.index, "score": a.score}
                | ({} if a.label is None else {"label": a.label})
                for a in best(row, count, labels)
            ]
            for row in rows
        ]
    if array.size <= SHOWN_VALUES:
        record["values"] = array.astype(
            np.float64
            if array.dtype.kind == "f" or array.dtype.kind == "V"
            else array.dtype
        ).tolist()
    return record


def save_arrays(path: Path, outputs: dict[str, Array]) -> None:
    """
    Write outputs as .npz, or the only one as .npy: all of it or nothing.

    Raises:
        OvcError: the file cannot be written, or .npy was asked for several outputs.
    """
    if path.suffix not in (".npy", ".npz"):
        raise OvcError(f"{path}: outputs are written as .npz or .npy")
    if path.suffix == ".npy" and len(outputs) != 1:
        raise OvcError(f"{path}: there are {len(outputs)} outputs; write an .npz")
    part = path.with_name(f".{path.name}-{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            if path.suffix == ".npy":
                np.save(file, next(iter(outputs.values())))
            else:
                np.savez(file, **outputs)  # pyright: ignore[reportArgumentType]
        os.replace(part, path)
    except OSError as problem:
        reason = problem.strerror or problem
        raise OvcError(f"{path}: cannot be written: {reason}") from problem
    finally:
        with suppress(OSError):
            part.unlink()
