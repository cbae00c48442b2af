"""What somebody asked to end: which machines are meant, and how each ends."""

from __future__ import annotations

import pytest

from runnerkit.actions import Deregister, Retire, Terminate
from runnerkit.ending import ends
from runnerkit.model import State
from runnerkit.phases import Pair
from tests.unit.test_plan import instance, runner

BOTH = Pair(instance(), runner())
ALONE = Pair(instance(id="i-2", name="rk-2"), None)
BARE = Pair(None, runner(name="rk-3"))
OVER = Pair(instance(id="i-4", name="rk-4", state=State.TERMINATED), runner(name="rk-4"))
ALL = (BOTH, ALONE, BARE, OVER)

CASES = [
    # names, force, registrations, what ends how
    (None, False, False, [(BOTH, Retire), (ALONE, Terminate)]),
    (None, True, False, [(BOTH, Terminate), (ALONE, Terminate)]),
    (None, False, True, [(BOTH, Retire), (ALONE, Terminate), (BARE, Deregister)]),
    ([], True, True, []),
    (["rk-2"], False, False, [(ALONE, Terminate)]),
    (["i-2"], False, False, [(ALONE, Terminate)]),
    (["rk-3"], False, False, []),
    (["rk-3"], False, True, [(BARE, Deregister)]),
    (["rk-4", "i-4", "rk-9"], True, True, []),
]


@pytest.mark.parametrize(("names", "force", "registrations", "expected"), CASES)
def test_what_is_meant_ends(
    names: list[str] | None, force: bool, registrations: bool, expected: list[tuple[Pair, type]]
) -> None:
    """By runner name or instance id; what is over, or means nobody, asks for nothing."""
    made = ends(ALL, names, force=force, registrations=registrations)
    assert [(pair.name, kind) for pair, kind in expected] == [(str(each.name), type(each)) for each in made]


@pytest.mark.parametrize("force", [False, True])
def test_without_force_github_is_asked_once_more(force: bool) -> None:
    """A machine whose runner was not seen may have one all the same: by the id that its launch wrote down."""
    (end,) = ends([Pair(instance(runner_id=9), None)], force=force)
    assert isinstance(end, Terminate)
    assert (not force, 9) == (end.confirm, end.runner_id)
