"""`runnerkit report`: what a run came to, as one comment on the pull request and in the step summary."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.job import document, freezing, plots, sections, verdicts
from runnerkit.job.datasets import data_changes
from runnerkit.job.document import Section, escaped
from runnerkit.job.gatefile import Rules
from runnerkit.job.notice import machine_facts
from runnerkit.job.placing import Placed
from runnerkit.job.result import Result, notes_of, redacted
from runnerkit.job.sticky import Origin, marker
from runnerkit.job.values import Directions, compared, plain
from runnerkit.job.versions import Base, Versions, declared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.job.datasets import DataChange
    from runnerkit.job.gating import Judgement
    from runnerkit.job.pictures import Picture
    from runnerkit.job.pipeline import Project
    from runnerkit.job.place import Place
    from runnerkit.job.values import Change
    from runnerkit.job.versions import Declared

ICONS = {"success": "✅", "failed": "❌", "interrupted": "⚡", "cancelled": "⏹️", "running": "⏹️"}
WORDS = {
    "success": "Pipeline done",
    "failed": "Pipeline failed",
    "interrupted": "Interrupted: AWS took the machine",
    "cancelled": "Cancelled",
    "running": "Ended from outside",
}
DID_NOT_RUN = "a step before it failed, or `runnerkit dvc run` was started in another folder than this report"
FEWER_ROWS = (sections.MOST_ROWS, 100, 50, 25, 12, 6, 3, 1)  # of the first table, until it fits


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot as text."""

    title: str
    text: str
    file: str = ""


@dataclass(slots=True)
class Report:
    """Everything that a report says.

    ``before`` counts the interruptions of the run's earlier attempts, ``live`` means that the pipeline is running,
    ``here`` that this is its machine, ``links`` are titles with addresses, ``texts`` Markdown of the project's own.
    """

    place: Place
    key: str
    result: Result | None
    metrics: list[Change] = field(default_factory=list)
    params: list[Change] = field(default_factory=list)
    data: list[DataChange] = field(default_factory=list)
    judged: Judgement | None = None
    drawings: list[Drawing] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    placed: Placed = field(default_factory=Placed)
    links: dict[str, str] = field(default_factory=dict)
    texts: list[Section] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    base: str = ""
    before: int = 0
    directions: Directions = field(default_factory=Directions)
    live: bool = False
    here: bool = True

    @classmethod
    def gather(
        cls,
        project: Project,
        place: Place,
        *,
        key: str = "",
        base: str = "",
        directions: Directions | None = None,
        rules: Rules | None = None,
    ) -> Report:
        """Read result, metrics, params, data and plots, now and at the base, and hold the metrics against the gate.

        Args:
            project: The project.
            place: The job.
            key: Which of several reports on the same pull request this is; workflow and job by default.
            base: What to compare with; what GitHub says by default.
            directions: Which way metrics get better.
            rules: Where the gate is declared.
        """
        named = declared(project)
        before = Base.find(project, place, base)
        metrics = Versions.read(named.metrics, project.here, before)
        params = Versions.read(named.params, project.here, before)
        found = cls(place, key or place.key, Result.read(project.work), directions=directions or Directions())
        found.here = found.result is None or found.result.machine == machine_facts(os.environ)
        params.problems += found._set_params(project, params.new)
        found.metrics = compared(metrics.old, metrics.new)
        found.params = [each for each in compared(params.old, params.new) if not each.same] if before.rev else []
        found.data = data_changes(project, before, {*named.metrics, *(plot.file for plot in named.plots)})
        found.problems = [*metrics.problems, *params.problems]
        found.problems += [
            f"the metrics file {file} does not exist" for file in named.metrics if not (project.here / file).exists()
        ]
        found.problems += named.problems
        wanted = base or place.base
        if wanted and not before.rev:
            found.problems.append(f"the base {wanted} could not be read, so nothing is compared")
        found.base = (wanted[:8] if re.fullmatch(r"[0-9a-f]{40}", wanted) else wanted) if before.rev else ""
        found._draw(project, named)
        found._judge(project, before, rules or Rules())
        return found

    def _set_params(self, project: Project, params: dict[str, Any]) -> list[str]:
        """Let params be those of the results: what a run set for itself is in the files no more."""
        try:
            params |= freezing.as_run(project, self.result.overrides if self.result else (), params)
        except ConfigError as error:
            return [f"what this run set for itself is not among the params: {error.message}"]
        return []

    def _draw(self, project: Project, named: Declared) -> None:
        for plot in named.plots:
            file = project.here / plot.file
            if file.is_file() and file.stat().st_size <= document.SUMMARY_LIMIT * 5:
                drawing = plots.drawn(plot, file.read_text(encoding="utf-8", errors="replace"))
                self.drawings += [Drawing(plot.title or plot.file, drawing, plot.file)] if drawing else []

    def _judge(self, project: Project, before: Base, rules: Rules) -> None:
        try:
            gate, notes = rules.read(project, before, pull_request=self.place.number is not None)
        except ConfigError as error:
            self.problems.append(f"the gate cannot be read: {error.message}")
            return
        if gate.rules:
            self.judged = gate.judge(self.metrics, base=self.base, directions=self.directions)
            self.problems += notes

    @property
    def done(self) -> bool:
        """Whether the pipeline came to a good end."""
        return self.result is not None and self.result.outcome == "success"

    @property
    def interruptions(self) -> int:
        """How often AWS has taken a machine of this run."""
        return self.before + int(self.result is not None and self.result.interrupted)

    def follows(self, earlier: Origin | None) -> None:
        """Count the interruptions of the same run's earlier attempts, by what the comment says of them."""
        if earlier is not None and earlier.number == self.place.run_number:
            same = earlier.attempt == self.place.run_attempt
            self.before = earlier.before if same else earlier.interruptions

    @property
    def origin(self) -> Origin:
        """What the comment hides about where it is from."""
        return Origin.of(self.place, self.interruptions, self.before)

    def body(self, limit: int = document.COMMENT_LIMIT) -> str:
        """The report as Markdown of at most so many bytes; title, status, link and the first table always stay."""
        marks = f"{marker(self.key)}\n{self.origin}\n\n"
        room = limit - len(marks.encode())
        text = redacted(self._fitted(room), os.environ)
        return marks + document.cut(text, room)

    def _fitted(self, room: int) -> str:
        head, rest, text = self.head(), self._rest(), ""
        for rows in FEWER_ROWS:
            first = sections.metrics(self, rows)
            text = document.fitted(head, [first, *rest] if first else rest, room)
            if first is None or str(first) in text:
                break
        return text

    def head(self) -> str:
        """Title, status and what a reader must know: the part that is never left out."""
        parts = [f"### {self.title}", sections.status(self)]
        parts += [verdicts.line(self.judged)] if self.judged is not None else []
        parts += [" · ".join(f"[{escaped(title)}]({url})" for title, url in self.links.items())]
        notes = notes_of(self.result) if self.result else [DID_NOT_RUN]
        parts += [f"> {escaped(note)}" for note in notes]
        return "\n\n".join(part for part in parts if part)

    @property
    def title(self) -> str:
        """The outcome in a few words."""
        outcome = self.result.outcome if self.result else ""
        name = f" · {escaped(self.key)}" if self.key != "report" else ""
        if self.live:
            return f"⏳ Running{name}"
        return f"{ICONS.get(outcome, '❔')} {WORDS.get(outcome, 'The pipeline did not run')}{name}"

    def _rest(self) -> list[Section]:
        """Everything below the metrics, the most important first."""
        problems = [*self.problems, *([self.placed.problem] if self.placed.problem else [])]
        warned = Section("", "\n".join(f"> ⚠️ {escaped(each)}" for each in problems))
        gate = verdicts.section(self.judged) if self.judged is not None else None
        last = [sections.stages(self), sections.same_metrics(self)]
        fails = self.judged is not None and not self.judged.holds
        first, last = ([gate], last) if fails else ([], [*last, gate])
        changed = [sections.params(self), sections.data(self)]
        shown = [*sections.pictures(self), *sections.drawings(self)]
        parts = [*first, *changed, warned, *self.texts, sections.failure(self), *shown, *last]
        return [part for part in parts if part is not None and part.text]

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "key": self.key,
            "base": self.base,
            "metrics": [self._as_row(each) for each in self.metrics],
            "params": [{"file": c.file, "name": c.name, "old": plain(c.old), "new": plain(c.new)} for c in self.params],
            "data": [each.as_dict() for each in self.data],
            "gate": self.judged.as_dict() if self.judged is not None else None,
            "pictures": {each.name: self.placed.links.get(each.name, "") for each in self.pictures},
            "problems": self.problems,
            "cost": sections.cost_of(self),
            "interruptions": self.interruptions,
            "result": self.result.as_dict() if self.result else None,
        }

    def _as_row(self, change: Change) -> Mapping[str, Any]:
        row = {"file": change.file, "name": change.name, "old": plain(change.old), "new": plain(change.new)}
        return {**row, "delta": change.delta, "verdict": self.directions.verdict(change)}
