"""
Networks as SVG: boxes in rows by their distance from the inputs, and lines between them.

Within a row boxes stand near what they read. Boxes are red when the pass removes them,
green when it made them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from html import escape

from xdsl.ir import Operation

from .explain import Node, Picture

WIDTH, HEIGHT = 132, 30
GAP_X, GAP_Y = 16, 26
MOST_NODES = 1500
"""Larger networks are cut: a picture of them tells nothing."""

FILL = {"same": "#eef2f7", "gone": "#f6c9c4", "new": "#c9ecc9"}
STROKE = {"same": "#7c8da3", "gone": "#c0392b", "new": "#2e8b57"}


def ranks(picture: Picture) -> list[int]:
    """The row of each node: one more than the lowest of what it reads."""
    result = [0] * len(picture.nodes)
    for source, target in picture.edges:  # in program order, so sources are done
        result[target] = max(result[target], result[source] + 1)
    return result


def places(picture: Picture) -> list[tuple[float, float]]:
    """The upper left corner of each node."""
    rows: defaultdict[int, list[int]] = defaultdict(list)
    for node, rank in enumerate(ranks(picture)):
        rows[rank].append(node)
    sources: defaultdict[int, list[int]] = defaultdict(list)
    for source, target in picture.edges:
        sources[target].append(source)
    columns: dict[int, float] = {}
    for rank in sorted(rows):
        wanted = {n: _mean([columns[s] for s in sources[n]]) for n in rows[rank]}
        edge = -1e9
        for node in sorted(rows[rank], key=lambda n: wanted[n]):
            columns[node] = max(edge + 1, wanted[node])
            edge = columns[node]
    left = min(columns.values(), default=0.0)
    row_of = ranks(picture)
    return [
        (
            (columns[n] - left) * (WIDTH + GAP_X) + GAP_X,
            row_of[n] * (HEIGHT + GAP_Y) + 8,
        )
        for n in range(len(picture.nodes))
    ]


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def draw(picture: Picture, other: Collection[Operation], change: str) -> str:
    """
    The picture as an SVG element.

    Args:
        other: the operations of the picture to compare with.
        change: what a node is that the other picture lacks: `gone` or `new`.
    """
    if len(picture.nodes) > MOST_NODES:
        return f"<p>{len(picture.nodes)} operations are too many for a picture.</p>"
    corners = places(picture)
    width = max((x for x, _ in corners), default=0) + WIDTH + GAP_X
    height = max((y for _, y in corners), default=0) + HEIGHT + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">'
    ]
    parts += [_line(corners[a], corners[b]) for a, b in picture.edges]
    for node, corner in zip(picture.nodes, corners, strict=True):
        parts.append(_box(node, corner, "same" if node.op in other else change))
    return "".join([*parts, "</svg>"])


def _line(source: tuple[float, float], target: tuple[float, float]) -> str:
    x1, y1 = source[0] + WIDTH / 2, source[1] + HEIGHT
    x2, y2 = target[0] + WIDTH / 2, target[1]
    middle = (y1 + y2) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} '
        f'{x2:.0f} {y2:.0f}"/>'
    )


def _box(node: Node, corner: tuple[float, float], kind: str) -> str:
    x, y = corner
    layers = ", ".join(node.layers)
    title = escape(f"{node.label} {node.shape}\n{layers}")
    label = escape(_short(node.label.removeprefix("nn."), 20))
    below = escape(_short(layers or node.shape, 22))
    return (
        f'<g><title>{title}</title><rect x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="4" fill="{FILL[kind]}" stroke="{STROKE[kind]}"/>'
        f'<text x="{x + WIDTH / 2:.0f}" y="{y + 13:.0f}">{label}</text>'
        f'<text class="s" x="{x + WIDTH / 2:.0f}" y="{y + 25:.0f}">{below}</text></g>'
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"…{text[-length + 1 :]}"
