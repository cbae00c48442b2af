"""Whether anybody is known to repeat an interrupted run."""

from __future__ import annotations

import pytest

from runnerkit.history import Note
from runnerkit.rescue import Rescuer, in_journal, in_workflows, is_at_risk
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import Retry, RunnerSpec, SpotUse


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("      - run: runnerkit resume 5", Rescuer.RESUME),
        ("      - run: runnerkit once", Rescuer.CONTROLLER),
        ("        runnerkit serve --repo acme/widgets", Rescuer.CONTROLLER),
        ("      - run: runnerkit launch --gpu t4", Rescuer.NOBODY),
        ("      # - run: runnerkit once", Rescuer.NOBODY),
        ("      - run: make # and not runnerkit once", Rescuer.NOBODY),
        ("      - run: runnerkit dvc run", Rescuer.NOBODY),
        ("name: runnerkit", Rescuer.NOBODY),
        ("", Rescuer.NOBODY),
    ],
)
def test_workflows_tell_who_is_called(line: str, expected: Rescuer) -> None:
    """Comments do not count, nor do commands that repeat nothing."""
    assert in_workflows(["on: push\n", f"jobs:\n{line}\n"]) is expected


@pytest.mark.parametrize(
    ("spec", "markets", "expected"),
    [
        (RunnerSpec(spot=SpotUse.PREFER), ["spot"], True),
        (RunnerSpec(spot=SpotUse.ONLY), ["on-demand", "spot"], True),
        (RunnerSpec(spot=SpotUse.PREFER), ["on-demand"], False),
        (RunnerSpec(spot=SpotUse.NEVER), ["spot"], False),
        (RunnerSpec(retry=Retry.NEVER), ["spot"], False),
    ],
)
def test_only_spot_machines_of_runs_to_repeat_are_at_risk(spec: RunnerSpec, markets: list[str], expected: bool) -> None:
    """On-demand machines are not taken back, and who does not want a repetition needs none."""
    assert is_at_risk(spec, markets) is expected


def test_the_journal_tells_of_a_controller_of_this_repository() -> None:
    """What `launch` itself notes does not count."""
    seen = Note(EPOCH, "job-seen", {"job": 1, "repo": "Acme/Widgets"})
    own = Note(EPOCH, "instance-launched", {"runner": "rk-5-1-0123abcd-1", "repo": "acme/widgets"})
    assert in_journal([own, seen], "acme/widgets") is Rescuer.CONTROLLER
    assert in_journal([own], "acme/widgets") is Rescuer.NOBODY
    assert in_journal([seen], "acme/other") is Rescuer.NOBODY
