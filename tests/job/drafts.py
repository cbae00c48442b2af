"""A report as tests make one up."""

from __future__ import annotations

from runnerkit.job.place import Place
from runnerkit.job.progress import State
from runnerkit.job.reporting import Report
from runnerkit.job.result import Result, StageResult

REPO = "acme/widgets"
STAGES = [StageResult("train", State.RUN, 2.0), StageResult("evaluate", State.RESTORED)]


def report(run: int = 7, attempt: int = 1, *, outcome: str = "success", interrupted: bool = False) -> Report:
    place = Place(REPO, "ab" * 20, run_number=run, run_attempt=attempt, workflow="train", job="gpu", url="https://x/7")
    result = Result(outcome=outcome, started=1.0, finished=4.0, stages=list(STAGES), interrupted=interrupted)
    return Report(place, place.key, result)
