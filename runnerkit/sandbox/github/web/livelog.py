"""The log of a running job, piece by piece: what came after what the page has."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runnerkit.sandbox.github.web import logs
from runnerkit.sandbox.github.web.logs import Block, Fragment
from runnerkit.sandbox.github.web.views.jobs import JobView, Step, closing

CURSOR = re.compile(r"(\d{1,6}):(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Section:
    """A step as the page shows it; ``left_out`` lines are too old to be shown."""

    step: Step
    blocks: list[Block]
    left_out: int

    @property
    def opened(self) -> bool:
        """Whether it is unfolded at first: what runs and what went wrong."""
        return bool(self.blocks) and self.step.look.kind in {"running", "failure"}


@dataclass(frozen=True, slots=True)
class News:
    """What is new of a step that the page has."""

    step: Step
    fragments: list[Fragment]


def sections(view: JobView) -> list[Section]:
    """Lay out all steps."""
    return [_section(step, _text(view, step)) for step in view.steps]


def _section(step: Step, text: str) -> Section:
    return Section(step, *logs.tail(logs.blocks(text), logs.count(text)))


def _text(view: JobView, step: Step) -> str:
    return closing(step.log, done=view.done or step.ended_at is not None)


def cursor(view: JobView) -> str:
    """Say how much of each step's log this is, for the next question."""
    return ",".join(f"{step.number}:{logs.count(_text(view, step))}" for step in view.steps)


def parsed(text: str) -> dict[int, int]:
    """Read a cursor back; what is none means nothing is there yet."""
    return {int(number): int(count) for number, count in CURSOR.findall(text)}


def news(view: JobView, have: Mapping[int, int]) -> tuple[list[News], list[Section]]:
    """Tell what is new of the steps the page has, and which steps it has not."""
    known = [step for step in view.steps if step.number in have]
    fresh = [step for step in view.steps if step.number not in have]
    told = [News(step, _fresh(_text(view, step), have[step.number])) for step in known]
    return told, [_section(step, _text(view, step)) for step in fresh]


def _fresh(text: str, place: int) -> list[Fragment]:
    # Most steps are over: their logs, however long, need not be read again.
    return logs.since(logs.blocks(text), place) if logs.count(text) != place else []
