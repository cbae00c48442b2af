"""How far a job is: act's lines and the steps' output become steps, logs and annotations."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any

from .lines import Lines, Masks, second, stamp, utc
from .workflow import OUTPUTS, PREPARE, Step

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from .reporter import Reporter

HIDDEN = {PREPARE, OUTPUTS}
# What act says about an end that the step's entry program has told already, in GitHub's words.
KNOWN = ("exit", "this step has been cancelled")
CANCELED = "The operation was canceled."
LARGEST_SUMMARY = 1024 * 1024
READ_AT_ONCE = 1 << 20
CONCLUSIONS = {"": "", "user": "cancelled", "timeout": "cancelled", "shutdown": "failure"}


class Progress:
    """The steps of a running job. Steps are numbered from 1 as GitHub does, the first and the last are the runner's."""

    def __init__(self, steps: list[Step], state: Path, masks: Masks, reporter: Reporter) -> None:
        self.annotations: list[str] = []
        self.summaries: list[str] = []
        self.current: Step | None = None
        self.heard = False
        self._all = steps
        self._numbers = {step.key: number for number, step in enumerate(steps, start=1) if step.key}
        self._state = state
        self._masks = masks
        self._reporter = reporter
        self._lines: dict[int, Lines] = {}
        self._read: dict[int, int] = {}
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        self._since: datetime | None = None
        self._interrupted: Step | None = None

    def set_up(self, lines: list[str]) -> None:
        """Log the runner's own first step; it is over when the first of the job's steps begins."""
        self._begin(1)
        self._log(1, "".join(f"{line}\n" for line in lines))

    def fail_first(self) -> None:
        """Fail in the runner's first step: nothing is run."""
        self._end(1, "failure")
        for step in self._all[1:]:
            step.status, step.conclusion = "completed", "skipped"
        self._tell()

    def hear(self, told: dict[str, Any]) -> None:
        """Take one of act's lines."""
        self.heard = True
        ids = told.get("stepID") or []
        number = self._numbers.get(str(ids[0])) if ids else None
        if number is None:
            self._note(told, hidden=bool(ids) and str(ids[0]) in HIDDEN)
        elif len(ids) == 1 and str(told.get("msg", "")).startswith("\u2b50 Run Main"):
            self._start(number, told)
        elif len(ids) == 1 and "stepResult" in told:
            self._result(number, told)
        else:
            self._say(number, told)

    def _note(self, told: dict[str, Any], *, hidden: bool) -> None:
        # What act says about itself belongs to the first step, where GitHub's runner speaks about itself.
        if not hidden and told.get("level") == "error":
            self._log(1, f"{told.get('msg', '')}\n")

    def _start(self, number: int, told: dict[str, Any]) -> None:
        step = self._all[number - 1]
        self._end(1, "success")
        for before in self._all[1 : number - 1]:
            if before.status == "pending":
                before.status, before.conclusion = "completed", "skipped"
        step.name = self._masks.hide(str(told.get("step") or step.name))
        self._begin(number)
        self._log(number, f"##[group]{step.name}\n##[endgroup]\n")

    def _begin(self, number: int) -> None:
        step = self._all[number - 1]
        step.status, step.started_at = "in_progress", second(utc())
        self.current, self._since = step, utc()
        self._tell()

    def _result(self, number: int, told: dict[str, Any]) -> None:
        step = self._all[number - 1]
        self._look_at_all(number)
        good = told["stepResult"] == "success" or step.excused
        stopped = step is self._interrupted or (self._state / "cancel").exists()
        self._end(number, "success" if good else "cancelled" if stopped else "failure")

    def interrupt(self) -> None:
        """Note that the running step is being ended because the job is."""
        self._interrupted = self._interrupted or self.current

    def _end(self, number: int, conclusion: str) -> None:
        step = self._all[number - 1]
        if step.status != "in_progress":
            return
        last = f"##[error]{CANCELED}\n" if conclusion == "cancelled" else ""
        self._reporter.add(number, self._of(number).feed("", last=True) + self._of(number).feed(last))
        step.status, step.conclusion, step.completed_at = "completed", conclusion, second(utc())
        self.annotations += self._of(number).annotations
        self._of(number).annotations = []
        if self.current is step:
            self.current = None
        self._tell()

    def _say(self, number: int, told: dict[str, Any]) -> None:
        if told.get("command") == "summary":
            self._summarize(number, str(told.get("content", "")))
        elif told.get("msg") == "Failed but continue next step":
            self._all[number - 1].excused = True
        elif told.get("raw_output"):
            self._log(number, str(told.get("msg", "")))
        elif "raw" in told and told.get("command") not in {"set-output", "save-state", "add-mask"}:
            # A command that a JavaScript action printed: those do not pass through a step's entry program.
            self._log(number, str(told["raw"]))
        elif told.get("level") == "error" and not str(told.get("msg", "")).startswith(KNOWN):
            self._log(number, f"##[error]{told.get('msg', '')}\n")

    def _summarize(self, number: int, text: str) -> None:
        size = len(text.encode())
        if size > LARGEST_SUMMARY:
            told = f"supports content up to a size of 1024k, got {size // 1024}k"
            self._log(number, f"##[error]$GITHUB_STEP_SUMMARY upload aborted, {told}\n")
        else:
            self.summaries.append(self._masks.hide(text))

    def look(self) -> None:
        """Read what the steps have written since the last time."""
        for number in self._numbers.values():
            if not self._reporter.full:
                self._look_at(number)

    def _look_at(self, number: int) -> bool:
        """Read a part of what one has written; whether there was any."""
        path = self._state / f"{number}.out"
        if not path.exists():
            return False
        with path.open("rb") as file:
            file.seek(self._read.get(number, 0))
            data = file.read(READ_AT_ONCE)
        self._read[number] = self._read.get(number, 0) + len(data)
        # A character may be cut in two where the step was caught writing.
        decoder = self._decoders.setdefault(number, codecs.getincrementaldecoder("utf-8")("replace"))
        self._log(number, decoder.decode(data))
        return bool(data)

    def _look_at_all(self, number: int) -> None:
        while self._look_at(number):
            self._reporter.wait_for_room()

    def late(self) -> Step | None:
        """Give the running step when its time is up, and say so in its log."""
        step = self.current
        if step is None or step.timeout is None or self._since is None:
            return None
        if (utc() - self._since).total_seconds() < step.timeout:
            return None
        text = f"The action '{step.name}' has timed out after {step.timeout / 60:g} minutes."
        self._log(self._numbers[step.key], f"##[error]{text}\n")
        return step

    def _of(self, number: int) -> Lines:
        return self._lines.setdefault(number, Lines(self._masks))

    def _log(self, number: int, text: str) -> None:
        self._reporter.add(number, self._of(number).feed(text))

    def _tell(self) -> None:
        self._reporter.show(self.steps())

    def steps(self) -> list[dict[str, Any]]:
        """List the steps as GitHub's API does."""
        return [
            {
                "name": step.name,
                "status": "queued" if step.status == "pending" else step.status,
                "conclusion": step.conclusion,
                "number": number,
                "started_at": step.started_at,
                "completed_at": step.completed_at,
            }
            for number, step in enumerate(self._all, start=1)
        ]

    def close(self, stopped: str) -> str:
        """End the job's own last step and give the job's conclusion."""
        for number in self._numbers.values():
            self._look_at_all(number)
        self._end(1, "success")
        for number, step in enumerate(self._all[:-1], start=1):
            self._end(number, "cancelled" if stopped else "failure")
            if step.status == "pending":
                step.status, step.conclusion = "completed", "skipped"
        for lines in self._lines.values():
            self.annotations += lines.annotations
            lines.annotations = []
        # The last, hidden step always runs: where it did not, act gave up, whatever it says about the job.
        gave_up = not (self._state / "outputs.json").exists()
        failed = gave_up or any(step.conclusion == "failure" for step in self._all)
        self._begin(len(self._all))
        self._reporter.add(len(self._all), f"{stamp(utc())} Cleaning up orphan processes\n")
        self._end(len(self._all), "success")
        return CONCLUSIONS[stopped] or ("failure" if failed else "success")
