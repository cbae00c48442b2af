"""Plot data as Vega-Lite, which an adapter draws. Pure.

The looks are our own: DVC's templates are made for a browser, with tooltips and zooming. A project's template is filled
in as DVC does it; its anchors are told at https://doc.dvc.org/user-guide/experiment-management/visualizing-plots
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from runnerkit.job.plots import column, numeric, value_of
from runnerkit.job.values import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.job.versions import Plot

    Rows = Sequence[dict[str, Any]]

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH, HEIGHT = 400, 220
MOST_POINTS = 200  # of one line: every second pixel of the picture
MOST_LINES = 8
MOST_CELLS = 30
NOW = "now"
GREY, BLUE = "#9a9a9a", "#1f6feb"
OTHERS = ["#1f6feb", "#d1741f", "#2f8f4e", "#b3408f", "#7d5fd3", "#a8841a", "#1b8a9c", "#c0392b"]
CONFIG = {
    "font": "Liberation Sans, Arial, sans-serif",
    "background": "white",
    "view": {"stroke": "#d0d0d0"},
    "axis": {
        "gridColor": "#ececec",
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "tickCount": 5,
    },
    "legend": {"title": None, "orient": "top", "labelFontSize": 12, "symbolStrokeWidth": 3},
    "title": {"fontSize": 14, "anchor": "start", "fontWeight": "bold"},
}


def drawable(plot: Plot, now: Rows, base: Rows = (), name: str = "base", template: str = "") -> Spec | None:
    """What is to be drawn; None when there is nothing to draw.

    Args:
        plot: What is declared about it.
        now: The data.
        base: The data at the base, where they are to be had.
        name: What the base is called.
        template: The text of the project's own template.

    Raises:
        ValueError: The template is no JSON.
    """
    if template:
        return _filled(plot, now, base, name, template)
    if plot.template.startswith("confusion"):
        return _confusion(plot, now)
    if plot.template.startswith("bar"):
        return _bars(plot, now)
    return _lines(plot, now, base, name)


def _whole(plot: Plot, values: Sequence[Spec], **more: Any) -> Spec:  # noqa: ANN401 - parts of a specification
    title = one_line(plot.title or plot.file)[:80]
    size = {"width": WIDTH, "height": HEIGHT}
    return {"$schema": SCHEMA, "config": CONFIG, "title": title, "data": {"values": list(values)}, **size, **more}


def _lines(plot: Plot, now: Rows, base: Rows, name: str) -> Spec | None:
    names = ([plot.y] if plot.y else numeric(now, plot.x))[:MOST_LINES]
    sides = [(name, base), (NOW, now)] if base else [(NOW, now)]
    points = [each for when, rows in sides for line in names for each in _points(plot.x, line, when, rows)]
    if not any(each["when"] == NOW for each in points):
        return None
    several = len(names) > 1
    plain = all(isinstance(each["x"], (int, float)) for each in points)
    across = {"field": "x", "type": "quantitative" if plain else "nominal", "title": plot.x or "row"}
    encoding: Spec = {
        "x": across | ({"scale": {"zero": False, "nice": False}} if plain else {"sort": None}),
        "y": {
            "field": "y",
            "type": "quantitative",
            "title": names[0] if not several else None,
            "scale": {"zero": False},
        },
        "order": {"field": "n", "type": "quantitative"},
    }
    if several:
        encoding["color"] = {"field": "line", "type": "nominal", "scale": {"domain": names, "range": OTHERS}}
        encoding["strokeDash"] = _by_side(sides, [[4, 3], [1, 0]], legend=len(sides) > 1)
    else:
        encoding["color"] = _by_side(sides, [GREY, BLUE], legend=len(sides) > 1)
        encoding["detail"] = {"field": "line", "type": "nominal"}
    mark = _MARKS.get(plot.template.partition("_")[0], {"type": "line", "strokeWidth": 2})
    return _whole(plot, points, mark=mark, encoding=encoding)


_MARKS: Mapping[str, Spec] = {"scatter": {"type": "point", "filled": True, "size": 30}}


def _by_side(sides: Sequence[tuple[str, Any]], looks: Sequence[Any], *, legend: bool) -> Spec:
    scale = {"domain": [when for when, _ in sides], "range": list(looks[-len(sides) :])}
    return {"field": "when", "type": "nominal", "scale": scale, "legend": {} if legend else None}


def _points(x: str, y: str, when: str, rows: Rows) -> list[Spec]:
    step = max(1, len(rows) // MOST_POINTS)
    found = []
    for index, row in enumerate(rows):
        value = value_of(row.get(y))
        # Thinned from the end, so that the last point is there: it is what a reader looks for.
        if value is not None and (len(rows) - 1 - index) % step == 0:
            across = value_of(row.get(x)) if x else float(index)
            at = across if across is not None else one_line(row.get(x))
            found.append({"x": at, "y": value, "n": index, "line": y, "when": when})
    return found


def _bars(plot: Plot, rows: Rows) -> Spec | None:
    # As in DVC's template x is the length and y the name, whichever way they are declared.
    length, label = (plot.x, plot.y) if column(rows, plot.x) else (plot.y, plot.x)
    found = [
        {"name": one_line(row.get(label))[:40], "size": value}
        for row in rows[:MOST_CELLS]
        if (value := value_of(row.get(length))) is not None
    ]
    if not found:
        return None
    encoding = {
        "x": {"field": "size", "type": "quantitative", "title": length},
        "y": {"field": "name", "type": "nominal", "title": None, "sort": "-x" if "sorted" in plot.template else None},
    }
    return _whole(plot, found, mark={"type": "bar", "color": BLUE}, encoding=encoding)


def _confusion(plot: Plot, rows: Rows) -> Spec | None:
    actual, predicted = plot.x or "actual", plot.y or "predicted"
    pairs = Counter((one_line(row.get(actual)), one_line(row.get(predicted))) for row in rows)
    names = sorted({name for pair in pairs for name in pair}, key=_in_order)
    if not pairs or len(names) > MOST_CELLS:
        return None
    totals = Counter(one_line(row.get(actual)) for row in rows)
    normal = plot.template.endswith("normalized")
    cells: list[Spec] = [
        {"a": a, "p": p, "n": round(pairs[a, p] / max(totals[a], 1), 3) if normal else pairs[a, p]}
        for a in names
        for p in names
    ]
    most = max(each["n"] for each in cells)
    axes = {
        "x": {"field": "p", "type": "nominal", "sort": names, "title": predicted, "axis": {"labelAngle": 0}},
        "y": {"field": "a", "type": "nominal", "sort": names, "title": actual},
    }
    dark = {"condition": {"test": f"datum.n > {most / 2}", "value": "white"}, "value": "black"}
    shade = {"field": "n", "type": "quantitative", "scale": {"scheme": "blues", "domainMin": 0}, "legend": None}
    layers = [
        {"mark": "rect", "encoding": {"color": shade}},
        {"mark": {"type": "text", "fontSize": 12}, "encoding": {"text": {"field": "n"}, "color": dark}},
    ]
    side = max(HEIGHT, 28 * len(names))
    return _whole(plot, cells, encoding=axes, layer=layers) | {"width": side, "height": side}


def _in_order(name: str) -> tuple[int, float, str]:
    value = value_of(name)
    return (1, 0.0, name) if value is None else (0, value, name)


def _filled(plot: Plot, now: Rows, base: Rows, name: str, template: str) -> Spec | None:
    rows = [*({**row, "rev": name} for row in base), *({**row, "rev": NOW} for row in now)]
    y = plot.y or next(iter(numeric(now, plot.x)), "")
    if not plot.x:
        rows = [{**row, "step": index} for index, row in enumerate(rows)]
    known = {
        "data": rows, "title": plot.title or plot.file, "x": plot.x or "step", "y": y,
        "x_label": plot.x or "step", "y_label": y, "plot_width": WIDTH, "plot_height": HEIGHT,
        "color": {"field": "rev", "type": "nominal"}, "pivot_field": "datum.rev", "group_by": ["rev"],
    }  # fmt: skip
    said = json.loads(template)
    filled: Spec = _anchored(said, {f"<DVC_METRIC_{key.upper()}>": value for key, value in known.items()})
    return filled


def _anchored(said: Any, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(said, dict):
        return {key: _anchored(each, known) for key, each in said.items()}
    if isinstance(said, list):
        return [_anchored(each, known) for each in said]
    if not isinstance(said, str) or "<DVC_METRIC_" not in said:
        return said
    if said in known:
        return known[said]
    if said.startswith("<DVC_METRIC_") and said.endswith(">"):
        return {}  # an anchor of a browser's matters
    for anchor, value in known.items():
        said = said.replace(anchor, value) if isinstance(value, str) else said
    return said
