"""`runnerkit report --watch`: a comment that follows a run, seldom enough, and not for ever."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeDenied, ForgeUnavailable, RateLimited
from runnerkit.job.progress import State
from runnerkit.job.publishing import Published
from runnerkit.job.result import Result, StageResult, folder_for_results
from runnerkit.job.watching import BEGINS_WITHIN, Watch
from runnerkit.sandbox.github import GitHubWorld
from tests.job.drafts import REPO, report
from tests.job.workshop import Workshop, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runnerkit.job.reporting import Report

STARTED = 1_000.0


@dataclass
class Day:
    """A run on a clock of its own: things happen at their second."""

    work: Path
    happens: dict[float, Callable[[], object]]
    at: float = STARTED
    parent: int = 7
    edits: list[tuple[float, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        """Let time pass, and what happens meanwhile happen."""
        self.at += seconds
        for second in [each for each in self.happens if each <= self.at - STARTED]:
            self.happens.pop(second)()

    def write(self, told: Report) -> Published:
        """Note an edit, or fail."""
        if self.fails:
            raise self.fails.pop(0)
        self.edits.append((self.at - STARTED, told.head().splitlines()[0]))
        return Published("updated")

    def run(self, outcome: str, state: State = State.RUNNING, started: float = STARTED) -> Callable[[], None]:
        """What `dvc run` writes into its file."""
        stages = [StageResult("train", state)]
        return lambda: Result(outcome=outcome, started=started, stages=stages).write(self.work)

    def touch(self, text: str) -> Callable[[], object]:
        """A metrics file that changes."""
        return lambda: (self.work / "m.json").write_text(text, encoding="utf-8")

    def follow(self) -> str:
        """Follow it to the end."""
        watch = Watch(
            self.work, (self.work / "m.json",), self.gather, self.write, self.said.append, lambda: self.at, self.wait,
            parent=lambda: self.parent, longest=3_000.0,
        )  # fmt: skip
        return watch.follow()

    def gather(self) -> Report:
        """A report of what is in the file."""
        told = report()
        told.result = Result.read(self.work)
        return told


def test_edits_when_something_changed_and_at_most_every_half_minute(tmp_path: Path) -> None:
    """GitHub limits writes, and nobody reads a comment every second; the last edit tells the end."""
    day = Day(tmp_path, {})
    day.happens = {10.0: day.run("running"), 300.0: day.run("success", State.RUN)}
    day.happens |= {20.0 + number: day.touch("x" * number) for number in range(60)}
    assert day.follow() == "ended"
    times = [at for at, _ in day.edits]
    assert all(later - before >= 30 for before, later in pairwise(times[:-1]))
    assert (len(times), times[0], times[-1]) == (5, 10.0, 300.0)
    assert [title for _, title in day.edits] == ["### ⏳ Running · train/gpu"] * 4 + [
        "### ✅ Pipeline done · train/gpu"
    ]


def test_survives_outages_and_rate_limits(tmp_path: Path) -> None:
    """It tries later, not before the limit's reset, and tells the log."""
    day = Day(tmp_path, {})
    reset = datetime.fromtimestamp(STARTED + 500, UTC)
    day.fails = [ForgeUnavailable("502"), RateLimited("too many", reset=reset)]
    day.happens = {1.0: day.run("running"), 900.0: day.run("failed", State.FAILED)}
    assert day.follow() == "ended"
    assert [at >= 500 for at, _ in day.edits] == [True, True]
    assert len(day.said) == 2


def test_gives_up_where_the_token_may_not_comment(tmp_path: Path) -> None:
    """A fork's never will."""
    day = Day(tmp_path, {})
    day.fails, day.happens = [ForgeDenied("read-only")], {1.0: day.run("running")}
    assert (day.follow(), day.edits) == ("denied", [])


def test_ends_with_its_parent(tmp_path: Path) -> None:
    """A run that was killed writes nothing any more; its watch must not stay behind."""
    day = Day(tmp_path, {})
    day.happens = {1.0: day.run("running"), 100.0: lambda: setattr(day, "parent", 1)}
    assert day.follow() == "gone"
    assert day.edits[-1][1] == "### ⏹️ Ended from outside · train/gpu"


def test_is_bounded_and_not_taken_in_by_an_earlier_run(tmp_path: Path) -> None:
    """A result that lies there from before is not this run's; one that never begins is not waited for for ever."""
    day = Day(tmp_path, {})
    day.run("success", State.RUN, started=1.0)()
    assert (day.follow(), day.edits) == ("never began", [])
    assert BEGINS_WITHIN <= day.at - STARTED < BEGINS_WITHIN + 10
    endless = Day(tmp_path, {})
    endless.happens = {1.0: endless.run("running")}
    assert endless.follow() == "too long"


@pytest.mark.slow
def test_as_a_process_follows_a_run_and_ends_with_it_or_with_its_parent(tmp_path: Path) -> None:
    """As the documentation shows it, a shell that becomes the run: one whose run ends, one that is killed."""
    workshop = Workshop(tmp_path)
    with GitHubWorld() as world, ExitStack() as processes:
        world.add_repository(REPO)
        token = world.add_token("actions", {"pull_requests": "write", "metadata": "read"})
        number = world.add_pull_request(REPO).number
        watches = {}
        for name in ("ends", "killed"):
            here = tmp_path / name
            here.mkdir()
            watches[name] = processes.enter_context(_watch(workshop, here, world, f"{number}", token))
            processes.callback(watches[name].kill)
            begun = Result("running", started=1_000.0, stages=[StageResult("train", State.RUNNING)])
            begun.write(folder_for_results(here / ".runnerkit"))

        def titles() -> set[str]:
            return {each.body.splitlines()[3] for each in world.state.comments.values()}

        until(lambda: titles() == {"### ⏳ Running · ends", "### ⏳ Running · killed"}, "both are under way")
        watches["killed"].kill()
        Result("success", started=1_000.0, finished=1_060.0).write(tmp_path / "ends/.runnerkit")
        over = {"### ✅ Pipeline done · ends", "### ⏹️ Ended from outside · killed"}
        until(lambda: titles() == over, "both are over")
        watches["ends"].kill()
        said = {name: each.communicate(timeout=60)[0] for name, each in watches.items()}
    assert "the live report has ended: ended" in said["ends"]
    assert "the live report has ended: gone" in said["killed"]


def _watch(workshop: Workshop, here: Path, world: GitHubWorld, number: str, token: str) -> subprocess.Popen[str]:
    """A shell that starts the watch and becomes something else, whose output ends when both are gone."""
    own = {
        "GITHUB_API_URL": world.environment()["GITHUB_API_URL"],
        "GITHUB_REPOSITORY": REPO,
        "GITHUB_TOKEN": token,
    }
    watch = f"'{sys.executable}' -m runnerkit report --watch --key {here.name} --pr {number}"
    return subprocess.Popen(
        ["sh", "-c", f"{watch} & exec sleep 300"],  # noqa: S607 - the shell of this machine
        cwd=here,
        env={**workshop.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
