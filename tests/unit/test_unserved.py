"""Jobs that wait for nobody: labels that are almost ours, and labels that no runner has."""

from __future__ import annotations

import pytest

from runnerkit import labels
from runnerkit.errors import LabelError
from runnerkit.testing import FakeWorld

REPO = "acme/widgets"


@pytest.mark.parametrize(
    ("label", "slip"),
    [
        ("runnerkt=1/gpu=t4", True),
        ("runerkit/gpu=t4", True),
        ("Runnerkits=7", True),
        ("runnerkit=1/gpu=t4", False),
        ("RUNNERKIT", False),
        ("runner", False),
        ("ubuntu-latest", False),
        ("self-hosted", False),
        ("", False),
    ],
)
def test_a_slip_of_the_pen_is_seen(label: str, slip: bool) -> None:
    """Only the first word counts, and a word that merely begins alike is somebody else's."""
    assert labels.misspelt([label]) == (label if slip else None)


def test_an_almost_label_is_refused_with_the_right_spelling() -> None:
    """Nobody would ever serve it, so its author hears at once."""
    world = FakeWorld()
    world.forge.queue(REPO, ["runnerkt=1/gpu=t4"])
    seen = world.fleet().preview()
    (refused,) = seen.refused
    assert isinstance(refused.error, LabelError)
    assert "runnerkit" in refused.error.hint
    assert seen.plan.actions == ()


def test_a_job_that_no_runner_can_take_is_told() -> None:
    """It is nobody's: not ours to refuse, but worth a word."""
    world = FakeWorld()
    lonely = world.forge.queue(REPO, ["self-hosted", "big"])
    world.forge.queue(REPO, ["ubuntu-latest"])
    world.forge.queue(REPO, ["runnerkit=1/gpu=t4"])
    seen = world.fleet().preview()
    assert [job.id for job in seen.unserved] == [lonely.id]
    assert seen.refused == ()


def test_a_job_that_a_foreign_runner_can_take_is_not_told() -> None:
    """Somebody else's runner serves it, whatever the case of the letters."""
    world = FakeWorld()
    world.forge.register(REPO, "theirs", ["Self-Hosted", "BIG", "linux"])
    world.forge.queue(REPO, ["self-hosted", "big"])
    assert world.fleet().preview().unserved == ()
