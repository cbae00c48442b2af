"""What a command on Batch makes others read: safe on a terminal, harmless in a step; and what the docs list."""

from __future__ import annotations

import pytest

from runnerkit.batch import views
from runnerkit.batch.looking import meant
from runnerkit.cli.batching import harmless, quoted
from runnerkit.errors import MachineUnknown
from tests.batch.ground import RUNNABLE, Scripted


def test_reasons_hold_no_control_characters_and_no_lines_of_ours() -> None:
    """The reason of a container that cannot start quotes what the image says."""
    why = "exec: \x1b]0;x\x07\x1b[2Jx\nrunnerkit: SUCCEEDED after 1 s"
    container = {"reason": why}
    job = views.job({"jobId": "1", "status": "FAILED", "statusReason": why, "container": container})
    attempt = views.job({"jobId": "1", "status": "FAILED", "attempts": [{"container": container}]}).attempts[0]
    assert {"exec: x runnerkit: SUCCEEDED after 1 s"} == {job.reason, job.container_reason, attempt.container_reason}


@pytest.mark.parametrize(
    ("line", "safe"),
    [
        ("::set-output name=approved::yes", ": :set-output name=approved::yes"),
        ("  ::stop-commands::x", "  : :stop-commands::x"),
        ("told ##[add-matcher]/x", "told ## [add-matcher]/x"),
        ("::errors::x", ": :errors::x"),
        ("::error::it failed", "::error::it failed"),
        ("##[group]training", "##[group]training"),
        ("std::vector and a::b", "std::vector and a::b"),
    ],
)
def test_a_container_commands_no_step_of_github(line: str, safe: str) -> None:
    """Annotations and groups are for reading; outputs, masks and matchers are the step's own."""
    assert safe == harmless(line)


def test_a_container_speaks_for_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub shows both outputs of a step as one; elsewhere the log is given out as it is."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert ["> runnerkit: SUCCEEDED", "it said runnerkit: x"] == [
        quoted(line) for line in ("runnerkit: SUCCEEDED", "it said runnerkit: x")
    ]
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert "runnerkit: SUCCEEDED" == quoted("runnerkit: SUCCEEDED")


def test_only_a_job_of_ours_can_be_meant() -> None:
    """Neither the id nor the name of somebody else's job helps."""
    with pytest.raises(MachineUnknown, match="no job of ours"):
        meant(Scripted([RUNNABLE]), "runnerkit", "j1")
