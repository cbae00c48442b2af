"""The parts of a report as Markdown. Pure."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from runnerkit.job import verdicts
from runnerkit.job.datasets import size_told
from runnerkit.job.document import Section, escaped, fenced, quoted, table, tagless
from runnerkit.job.progress import State
from runnerkit.job.result import duration
from runnerkit.job.values import shown, shown_delta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.datasets import Tracked
    from runnerkit.job.pictures import Picture
    from runnerkit.job.reporting import Report
    from runnerkit.job.values import Change

HOUR = 3600.0
TAIL_LINES = 40
ALL_ROWS = 30  # so many metrics are shown whether they changed or not
MOST_ROWS = 200
IN_SIGHT = 6  # so many pictures are not folded
PICTURE_WIDTH = 480  # pixels, at most
NOT_OF_THIS_RUN = "The pipeline did not come to its end, so these may be what was committed, not what it would measure."
NOT_YET = "The pipeline is running, so these may be what was committed, or of a stage that is under way."
ARROWS = {"better": "🟢 better", "worse": "🔴 worse", "not a number": "⚠️ not a number", "gone": "⚠️ gone"}
STATUSES = (State.RUN, State.RESTORED, State.UNCHANGED, State.FAILED, State.STOPPED)


def status(report: Report) -> str:
    """The line below the title: stages, time, machine, money, interruptions, commit, run."""
    place, bits = report.place, [*_stage_counts(report), *_machine(report)]
    if report.interruptions:
        bits.append(f"{report.interruptions} spot interruption{'s' if report.interruptions > 1 else ''}")
    if place.sha:
        bits.append(f"`{place.sha[:8]}`")
    if place.url:
        attempt = f", attempt {place.run_attempt}" if place.run_attempt > 1 else ""
        bits.append(f"[run {place.run_number}{attempt}]({place.url})")
    return " · ".join(bits)


def _stage_counts(report: Report) -> list[str]:
    result = report.result
    if result is None:
        return []
    counts = [(result.count(state), str(state)) for state in STATUSES]
    counts.append((result.count(State.NOT_REACHED), _unreached(report)))
    told = ", ".join(f"{count} {word}" for count, word in counts if count)
    now = next((each.name for each in result.stages if each.state == State.RUNNING), "") if report.live else ""
    seconds = result.seconds if not report.live else max(time.time() - result.started, 0.0)
    at = [f"now: {escaped(now)}"] if now else []
    return [f"stages: {told}" if told else "no stages", *at, *([duration(seconds)] if seconds else [])]


def _unreached(report: Report) -> str:
    """What a stage is that did not come up: in a run that went well, nobody asked for it."""
    if report.live:
        return "to come"
    return "not asked for" if report.done else str(State.NOT_REACHED)


def _machine(report: Report) -> list[str]:
    facts = report.result.machine if report.result else {}
    kind = " ".join(escaped(facts[name]) for name in ("type", "market") if facts.get(name))
    price = number_of(facts.get("price"))
    bits = [f"{kind} in {escaped(facts['zone'])}" if kind and facts.get("zone") else kind] if kind else []
    if price is not None:
        bits.append(f"${price:.3f}/h")
        if (cost := cost_of(report)) is not None:
            bits.append(f"about ${cost:.{2 if cost >= 1 else 4}f} so far")
    return bits


def cost_of(report: Report) -> float | None:
    """What the machine has cost since it started, in dollars: until now, or elsewhere until the pipeline's end."""
    result = report.result
    facts = result.machine if result else {}
    price, started = number_of(facts.get("price")), number_of(facts.get("started_at"))
    if result is None or price is None or not started:
        return None
    until = result.finished if result.finished and not report.here else time.time()
    return price * max(until - started, 0.0) / HOUR


def number_of(value: object) -> float | None:
    """A number that may be written as text."""
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except ValueError:
        return None


def metrics(report: Report, most: int = MOST_ROWS) -> Section | None:
    """What was measured, against the base, with direction and gate; what did not change is folded if there is much."""
    if not report.metrics:
        return None
    found = [each for each in report.metrics if not _folds(report, each)]
    told = metric_table(report, found, most) if found else f"All {len(report.metrics)} are as at the base."
    left = len(report.metrics) - len(found)
    more = f"\n\n{left} more are as at the base." if found and left else ""
    doubt = "" if report.done else f"\n\n{NOT_YET if report.live else NOT_OF_THIS_RUN}"
    return Section("Metrics", told + more + doubt)


def same_metrics(report: Report) -> Section | None:
    """The metrics that did not change, where there are many."""
    same = [each for each in report.metrics if _folds(report, each)]
    title = f"{len(same)} metrics as at the base"
    return Section(title, metric_table(report, same, MOST_ROWS), folded=True) if same else None


def _folds(report: Report, change: Change) -> bool:
    unruled = report.judged is None or report.judged.of(change) is None
    return bool(report.base) and change.same and unruled and len(report.metrics) > ALL_ROWS


def metric_table(report: Report, found: Sequence[Change], most: int) -> str:
    """Metrics, one a row."""
    several, base = len({each.file for each in report.metrics}) > 1, escaped(report.base)
    # What it is now comes first, so that it is in sight on a phone.
    titles = ["metric", "now", f"base ({base})", "change", ""] if base else ["metric", "now"]
    gated = report.judged is not None and any(report.judged.of(each) for each in found)
    rows = []
    for each in found[:most]:
        name = f"{each.file}: {each.name}" if several else each.name
        verdict = ARROWS.get(report.directions.verdict(each), "")
        row = [name, shown(each.new)] + ([shown(each.old), shown_delta(each), verdict] if base else [])
        rows.append([*row, _gate(report, each)] if gated else row)
    left = len(found) - most
    more = f"\n\nand {left} more" if left > 0 else ""
    return table([*titles, "gate"] if gated else titles, rows, frozenset({1, 2, 3} if base else {1})) + more


def _gate(report: Report, change: Change) -> str:
    verdict = report.judged.of(change) if report.judged else None
    if verdict is None:
        return ""
    # The rule itself stands in the gate's own table: on a phone every column counts.
    return verdicts.HOLDS if verdict.holds else verdicts.FAILS


def params(report: Report) -> Section | None:
    """The params that differ from the base's."""
    rows = [[f"{each.file}: {each.name}", shown(each.new), shown(each.old)] for each in report.params[:MOST_ROWS]]
    if not rows:
        return None
    left = len(report.params) - MOST_ROWS
    more = f"\n\nand {left} more" if left > 0 else ""
    titles = ["param", "now", f"base ({escaped(report.base)})"]
    return Section("Changed params", table(titles, rows, frozenset({1, 2})) + more)


def data(report: Report) -> Section | None:
    """The tracked data that differ from the base's: how many files, how large."""
    rows = [[each.path, _amount(each.new), _amount(each.old), each.what] for each in report.data[:MOST_ROWS]]
    if not rows:
        return None
    left = len(report.data) - MOST_ROWS
    more = f"\n\nand {left} more" if left > 0 else ""
    text = table(["data", "now", f"base ({escaped(report.base)})", ""], rows, frozenset({1, 2})) + more
    return Section("Changed data", text, folded=len(rows) > ALL_ROWS)


def _amount(tracked: Tracked | None) -> str:
    if tracked is None:
        return "—"
    files = f"{tracked.files} files" if tracked.files > 1 else ""
    return ", ".join(filter(None, (files, size_told(tracked.size)))) or "1 file"


def failure(report: Report) -> Section | None:
    """The end of the log of the stage that failed, or of DVC's own."""
    result = report.result
    tails = [(each.name, each.log_tail) for each in result.stages if each.log_tail] if result else []
    tails += [("dvc", result.log_tail)] if result and result.log_tail else []
    if not tails:
        return None
    name, tail = tails[-1]
    text = fenced("\n".join(tail.splitlines()[-TAIL_LINES:]))
    return Section(f"The end of {name}'s log", text, folded=True, opened=True)


def stages(report: Report) -> Section | None:
    """Every stage with its state and time."""
    if report.result is None or not report.result.stages:
        return None
    words = {str(State.NOT_REACHED): _unreached(report)}
    rows = [[each.name, words.get(each.state, each.state), duration(each.seconds)] for each in report.result.stages]
    return Section("Stages", table(["stage", "state", "time"], rows, frozenset({2})), folded=True)


def pictures(report: Report) -> list[Section]:
    """The pictures themselves where a comment can show them, otherwise links, or where they are."""
    placed, found = report.placed, report.pictures
    if not placed.links:
        where = f"[{escaped(placed.note)}]({placed.page})" if placed.page else escaped(placed.note)
        return [Section("Pictures", f"The pictures are in {where}, under their names.")] if placed.note else []
    if not placed.shown:
        links = [f"* [{escaped(each.title)}]({placed.links[each.name]})" for each in found if each.name in placed.links]
        return [Section("Pictures", "\n".join(links))]
    images = [
        f'<img src="{quoted_address(placed.links[each.name])}" alt="{quoted(each.title)}"{_width(each)}>'
        for each in found
        if each.name in placed.links
    ]
    first, rest = images[:IN_SIGHT], images[IN_SIGHT:]
    more = [Section(f"{len(rest)} more plots", "\n".join(rest), folded=True)] if rest else []
    return [Section("Plots", "\n".join(first)), *more]


def _width(picture: Picture) -> str:
    # In its own size where we drew it, since its letters are as large as the others' then.
    drawn = re.match(rb'<svg[^>]*?\swidth="([0-9]{1,5})', picture.vector)
    return f' width="{min(int(drawn[1]), PICTURE_WIDTH)}"' if drawn else f' width="{PICTURE_WIDTH}"'


def quoted_address(address: str) -> str:
    """An address as the value of an attribute."""
    return address.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C").replace(">", "%3E")


def drawings(report: Report) -> list[Section]:
    """The plots as text, but for those whose pictures are shown."""
    shown_files = {each.file for each in report.pictures} if report.placed.shown else set()
    left = [each for each in report.drawings if each.file not in shown_files]
    return [Section(tagless(each.title), each.text, folded=True) for each in left]
