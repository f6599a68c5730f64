"""One page about an optimization, which needs nothing else: no scripts, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from ..runtime.errors import OvcError
from .drawing import draw
from .explain import Cost, Recorder, Step

PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem;
  padding: 0 1rem; color: #1d2733; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid #cfd8e3; padding: .25rem .6rem; text-align: left;
  vertical-align: top; }
th { background: #eef2f7; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.pair { display: flex; gap: 1rem; }
.pair > div { flex: 1; overflow: auto; max-height: 40rem; border: 1px solid #cfd8e3; }
svg path { fill: none; stroke: #9aa8b8; }
svg text { font: 11px sans-serif; text-anchor: middle; fill: #1d2733; }
svg text.s { font-size: 9px; fill: #5a6b7e; }
summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
</style></head><body>
<h1>{{ title }}</h1>
{% for remark in remarks %}<p>{{ remark }}</p>{% endfor %}
<h2>Passes</h2>
<table><tr><th>pass</th><th>ms</th><th>rewrites</th><th>operations</th><th>work</th>
<th>bytes moved</th></tr>
{% for s in steps %}<tr><td>{{ s.name }}</td><td class="n">{{ s.ms }}</td>
<td class="n">{{ s.matches }}</td><td class="n">{{ s.operations }}</td>
<td class="n">{{ s.flops }}</td><td class="n">{{ s.bytes }}</td></tr>
{% endfor %}</table>
<h2>What was fused into what</h2>
<table><tr><th>pass</th><th>layers</th><th>operations</th><th>became</th><th></th></tr>
{% for a in applied %}<tr><td>{{ a.pass_name }}</td><td>{{ a.layers|join(", ") }}</td>
<td>{{ a.operations|join(" + ") }}</td><td>{{ a.result }}</td><td>{{ a.note }}</td></tr>
{% endfor %}</table>
<h2>What stayed as it is, and why</h2>
<table><tr><th>pass</th><th>layers</th><th>operation</th><th>could have been</th>
<th>reason</th></tr>
{% for d in left %}<tr><td>{{ d.pass_name }}</td><td>{{ d.layers|join(", ") }}</td>
<td>{{ d.operation }}</td><td>{{ d.rewrite }}</td><td>{{ d.reason }}</td></tr>
{% endfor %}</table>
<h2>Pictures</h2>
{% for p in pictures %}<details{% if loop.first %} open{% endif %}>
<summary>{{ p.title }}</summary>
<div class="pair"><div>{{ p.before }}</div><div>{{ p.after }}</div></div></details>
{% endfor %}
</body></html>
"""


def write_report(recorder: Recorder, title: str, place: Path) -> None:
    """
    Write the page.

    Raises:
        OvcError: the file cannot be written.
    """
    try:
        place.write_text(page(recorder, title), encoding="utf-8")
    except OSError as problem:
        reason = problem.strerror or problem
        raise OvcError(f"{place}: cannot be written: {reason}") from problem


def page(recorder: Recorder, title: str) -> str:
    """The page as text."""
    template = Environment(autoescape=True).from_string(PAGE)
    changed = [step for step in recorder.steps if step.changed]
    return template.render(
        title=title,
        remarks=recorder.remarks,
        steps=[row(step) for step in recorder.steps],
        applied=[a for step in recorder.steps for a in step.applied],
        left=recorder.left,
        pictures=[_pictures(i, step) for i, step in enumerate(changed, 1)],
    )


def row(step: Step) -> dict[str, Any]:
    """One pass in numbers, as text."""
    report = step.report
    return {
        "name": report.name,
        "ms": f"{report.seconds * 1e3:.1f}",
        "matches": "" if report.matches is None else str(report.matches),
        "operations": change(step.before.operations, step.after.operations, 1),
        "flops": change(step.before.flops, step.after.flops, 1e6, " MFLOP"),
        "bytes": change(step.before.bytes, step.after.bytes, 1e6, " MB"),
    }


def change(
    before: int | None, after: int | None, unit: float = 1, word: str = ""
) -> str:
    """A number, or two when it changed."""

    def text(number: int | None) -> str:
        if number is None:
            return "unknown"
        return str(number) if unit == 1 else f"{number / unit:.3f}"

    if before == after:
        return text(after) + (word if after is not None else "")
    return f"{text(before)} to {text(after)}{word if after is not None else ''}"


def _pictures(index: int, step: Step) -> dict[str, Any]:
    before = {node.op for node in step.picture_before.nodes}
    after = {node.op for node in step.picture_after.nodes}
    matches = step.report.matches
    count = "" if matches is None else f", {matches} rewrites"
    return {
        "title": f"{index}. {step.report.name}{count}",
        "before": Markup(draw(step.picture_before, after, "gone")),
        "after": Markup(draw(step.picture_after, before, "new")),
    }


def cost_text(cost: Cost) -> str:
    """A cost in words."""
    flops = "unknown" if cost.flops is None else f"{cost.flops / 1e6:.3f} MFLOP"
    return f"{cost.operations} operations, {flops}"
