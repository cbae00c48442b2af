"""`runnerkit report`: what a run came to, as one comment on the pull request and in the step summary."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runnerkit.job import document, plots
from runnerkit.job.document import Section, escaped, fenced, table
from runnerkit.job.progress import State
from runnerkit.job.result import Result, duration, notes_of, redacted
from runnerkit.job.sticky import Origin, marker
from runnerkit.job.values import Directions, compared, shown, shown_delta
from runnerkit.job.versions import Base, Versions, declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.job.pipeline import Project
    from runnerkit.job.place import Place
    from runnerkit.job.values import Change

HOUR = 3600.0
TAIL_LINES = 40
ALL_ROWS = 30  # so many metrics are shown whether they changed or not
MOST_ROWS = 200
ICONS = {"success": "✅", "failed": "❌", "interrupted": "⚡", "cancelled": "⏹️", "running": "⏹️"}
WORDS = {
    "success": "Pipeline done",
    "failed": "Pipeline failed",
    "interrupted": "Interrupted: AWS took the machine",
    "cancelled": "Cancelled",
    "running": "Ended from outside",
}
DID_NOT_RUN = "a step before it failed, or `runnerkit dvc run` was started in another folder than this report"
NOT_OF_THIS_RUN = "The pipeline did not come to its end, so these may be what was committed, not what it would measure."
ARROWS = {"better": "🟢 better", "worse": "🔴 worse", "not a number": "⚠️ not a number", "gone": "⚠️ gone"}


@dataclass(slots=True)
class Report:
    """Everything that a report says."""

    place: Place
    key: str
    result: Result | None
    metrics: list[Change] = field(default_factory=list)
    params: list[Change] = field(default_factory=list)
    drawings: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    base: str = ""
    interruptions: int = 0
    directions: Directions = field(default_factory=Directions)

    @classmethod
    def gather(
        cls, project: Project, place: Place, *, key: str = "", base: str = "", directions: Directions | None = None
    ) -> Report:
        """Read result, metrics, params and plot data, now and at the base.

        Args:
            project: The project.
            place: The job.
            key: Which of several reports on the same pull request this is; workflow and job by default.
            base: What to compare with; what GitHub says by default.
            directions: Which way metrics get better.
        """
        named = declared(project)
        before = Base.find(project, place, base)
        metrics = Versions.read(named.metrics, project.here, before)
        params = Versions.read(named.params, project.here, before)
        found = cls(place, key or place.key, Result.read(project.work), directions=directions or Directions())
        found.metrics = compared(metrics.old, metrics.new)
        found.params = [each for each in compared(params.old, params.new) if not each.same] if before.rev else []
        found.problems = [*metrics.problems, *params.problems]
        found.problems += [
            f"the metrics file {file} does not exist" for file in named.metrics if not (project.here / file).exists()
        ]
        wanted = base or place.base
        if wanted and not before.rev:
            found.problems.append(f"the base {wanted} could not be read, so nothing is compared")
        found.base = (wanted[:8] if re.fullmatch(r"[0-9a-f]{40}", wanted) else wanted) if before.rev else ""
        for plot in named.plots:
            file = project.here / plot.file
            if file.is_file() and file.stat().st_size <= document.SUMMARY_LIMIT * 5:
                drawing = plots.drawn(plot, file.read_text(encoding="utf-8", errors="replace"))
                found.drawings += [(plot.title or plot.file, drawing)] if drawing else []
        if found.result is not None and found.result.interrupted:
            found.interruptions = 1
        return found

    def follows(self, earlier: Origin | None) -> None:
        """Count the interruptions of the same run's earlier attempts."""
        if earlier is not None and earlier.number == self.place.run_number and earlier.attempt < self.place.run_attempt:
            self.interruptions += earlier.interruptions

    @property
    def origin(self) -> Origin:
        """What the comment hides about where it is from."""
        return Origin.of(self.place, self.interruptions)

    def body(self, limit: int = document.COMMENT_LIMIT) -> str:
        """The report as Markdown of at most so many bytes."""
        marks = f"{marker(self.key)}\n{self.origin}\n\n"
        text = redacted(document.fitted(self._head(), self._sections(), limit - len(marks)), os.environ)
        return marks + document.cut(text, limit - len(marks))

    def _head(self) -> str:
        parts = [f"### {self._title()}", self._status()]
        notes = notes_of(self.result) if self.result else [DID_NOT_RUN]
        parts += [f"> {escaped(note)}" for note in notes]
        return "\n\n".join(part for part in parts if part)

    def _title(self) -> str:
        outcome = self.result.outcome if self.result else ""
        name = f" · {escaped(self.key)}" if self.key != "report" else ""
        return f"{ICONS.get(outcome, '❔')} {WORDS.get(outcome, 'The pipeline did not run')}{name}"

    def _status(self) -> str:
        bits = [*self._stage_counts(), *self._machine()]
        if self.interruptions:
            bits.append(f"{self.interruptions} spot interruption{'s' if self.interruptions > 1 else ''}")
        if self.place.sha:
            bits.append(f"`{self.place.sha[:8]}`")
        if self.place.url:
            attempt = f", attempt {self.place.run_attempt}" if self.place.run_attempt > 1 else ""
            bits.append(f"[run {self.place.run_number}{attempt}]({self.place.url})")
        return " · ".join(bits)

    def _stage_counts(self) -> list[str]:
        result = self.result
        if result is None:
            return []
        counts = [
            (result.count(State.RUN), "run"),
            (result.count(State.RESTORED), "restored"),
            (result.count(State.UNCHANGED), "unchanged"),
            (result.count(State.FAILED), "failed"),
            (result.count(State.STOPPED), "stopped"),
            (result.count(State.NOT_REACHED), self._unreached),
        ]
        told = ", ".join(f"{count} {word}" for count, word in counts if count)
        return [f"stages: {told}" if told else "no stages", *([duration(result.seconds)] if result.seconds else [])]

    @property
    def _unreached(self) -> str:
        """What a stage is that did not come up: in a run that went well, nobody asked for it."""
        return "not asked for" if self._done else str(State.NOT_REACHED)

    def _machine(self) -> list[str]:
        facts = self.result.machine if self.result else {}
        kind = " ".join(escaped(facts[name]) for name in ("type", "market") if facts.get(name))
        price, started = _number(facts.get("price")), _number(facts.get("started_at"))
        bits = [f"{kind} in {escaped(facts['zone'])}" if kind and facts.get("zone") else kind] if kind else []
        if price is not None:
            bits.append(f"${price:.3f}/h")
            if started:
                cost = price * max(time.time() - started, 0.0) / HOUR
                bits.append(f"about ${cost:.{2 if cost >= 1 else 4}f} so far")
        return bits

    def _sections(self) -> list[Section]:
        parts = [self._metrics(), self._params(), self._failure(), self._stages()]
        drawings = [Section(title, text, folded=True) for title, text in self.drawings]
        problems = Section("", "\n".join(f"> ⚠️ {escaped(each)}" for each in self.problems))
        rest = [*parts[2:], self._same_metrics(), *drawings]
        return [part for part in (*parts[:2], problems, *rest) if part is not None and part.text]

    def _metrics(self) -> Section | None:
        if not self.metrics:
            return None
        found = [each for each in self.metrics if not self._folds(each)]
        told = self._table_of(found) if found else f"All {len(self.metrics)} are as at the base."
        left = len(self.metrics) - len(found)
        more = f"\n\n{left} more are as at the base." if found and left else ""
        return Section("Metrics", told + more + ("" if self._done else f"\n\n{NOT_OF_THIS_RUN}"))

    @property
    def _done(self) -> bool:
        return self.result is not None and self.result.outcome == "success"

    def _folds(self, change: Change) -> bool:
        """Whether a metric can stand further down, because it did not change and there are many."""
        return bool(self.base) and change.same and len(self.metrics) > ALL_ROWS

    def _same_metrics(self) -> Section | None:
        same = [each for each in self.metrics if self._folds(each)]
        return Section(f"{len(same)} metrics as at the base", self._table_of(same), folded=True) if same else None

    def _table_of(self, metrics: Sequence[Change]) -> str:
        several = len({each.file for each in self.metrics}) > 1
        titles = ["metric", f"base ({escaped(self.base)})", "now", "change", ""] if self.base else ["metric", "now"]
        rows = []
        for each in metrics[:MOST_ROWS]:
            name = f"{each.file}: {each.name}" if several else each.name
            verdict = ARROWS.get(self.directions.verdict(each), "")
            row = [name, shown(each.old), shown(each.new), shown_delta(each), verdict]
            rows.append(row if self.base else [name, shown(each.new)])
        left = len(metrics) - MOST_ROWS
        return table(titles, rows, frozenset({1, 2, 3})) + (f"\n\nand {left} more" if left > 0 else "")

    def _params(self) -> Section | None:
        rows = [[f"{each.file}: {each.name}", shown(each.old), shown(each.new)] for each in self.params[:MOST_ROWS]]
        if not rows:
            return None
        titles = ["param", f"base ({escaped(self.base)})", "now"]
        left = len(self.params) - MOST_ROWS
        more = f"\n\nand {left} more" if left > 0 else ""
        return Section("Changed params", table(titles, rows, frozenset({1, 2})) + more)

    def _failure(self) -> Section | None:
        result = self.result
        tails = [(each.name, each.log_tail) for each in result.stages if each.log_tail] if result else []
        tails += [("dvc", result.log_tail)] if result and result.log_tail else []
        if not tails:
            return None
        name, tail = tails[-1]
        return Section(
            f"The end of {name}'s log", fenced("\n".join(tail.splitlines()[-TAIL_LINES:])), folded=True, opened=True
        )

    def _stages(self) -> Section | None:
        if self.result is None or not self.result.stages:
            return None
        words = {str(State.NOT_REACHED): self._unreached}
        rows = [[each.name, words.get(each.state, each.state), duration(each.seconds)] for each in self.result.stages]
        return Section("Stages", table(["stage", "state", "time"], rows, frozenset({2})), folded=True)

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "key": self.key,
            "base": self.base,
            "metrics": [self._as_row(each) for each in self.metrics],
            "params": [{"file": c.file, "name": c.name, "old": c.old, "new": c.new} for c in self.params],
            "problems": self.problems,
            "interruptions": self.interruptions,
            "result": self.result.as_dict() if self.result else None,
        }

    def _as_row(self, change: Change) -> dict[str, Any]:
        row = {"file": change.file, "name": change.name, "old": change.old, "new": change.new, "delta": change.delta}
        return {**row, "verdict": self.directions.verdict(change)}


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except ValueError:
        return None
