"""Where a pass looks: named repositories always, an owner's where something is going on, and the others in turn."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runnerkit.attention import TURN, Attention
from runnerkit.errors import ForgeDenied, ForgeUnavailable
from runnerkit.events import RepositorySkipped
from runnerkit.testing import FakeClock, FakeForge, FakeWorld, Lies
from runnerkit.testing.clock import EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE = timedelta(minutes=1)


def forge_with(count: int) -> FakeForge:
    """A GitHub where an owner has so many repositories."""
    forge = FakeForge(FakeClock())
    forge.own(*(f"acme/r{number:03}" for number in range(count)))
    return forge


def test_named_repositories_are_looked_at_in_every_pass() -> None:
    """And nobody is asked which there are."""
    attention = Attention(["acme/a", "acme/b"], FakeForge(FakeClock()))
    assert [attention.repositories(EPOCH + MINUTE * n, ()) for n in range(3)] == [("acme/a", "acme/b")] * 3


def test_the_first_look_at_an_owner_leaves_nothing_out() -> None:
    """After a start nobody knows what waits where."""
    attention = Attention(["acme/*"], forge_with(45))
    assert len(attention.repositories(EPOCH, ())) == 45


def test_everything_gets_its_turn_and_no_more_than_needed() -> None:
    """Each repository is looked at within the turn, and a minute costs a tenth of all."""
    attention = Attention(["acme/*"], forge_with(50))
    attention.repositories(EPOCH, ())
    looks = [attention.repositories(EPOCH + MINUTE * n, ()) for n in range(1, 11)]
    seen = Counter(repo for look in looks for repo in look)
    assert len(seen) == 50
    assert max(len(look) for look in looks) <= 2 * 50 * (MINUTE / TURN)


def test_a_hint_and_a_machine_keep_a_repository_in_sight() -> None:
    """For the length of a turn after a hint, and as long as machines are there."""
    attention = Attention(["acme/*"], forge_with(50))
    attention.repositories(EPOCH, ())
    assert attention.hint("Acme/R049")
    for minute in range(1, 10):
        look = attention.repositories(EPOCH + MINUTE * minute, {"acme/r007"})
        assert {"acme/r049", "acme/r007"} <= set(look)


def test_hints_about_strangers_are_not_taken() -> None:
    """A repository that is not served is nobody's business."""
    attention = Attention(["acme/*", "octo/one"], forge_with(1))
    assert [attention.hint(repo) for repo in ("octo/one", "octo/two", "acmex/a", "acme/new")] == [
        True,
        False,
        False,
        True,
    ]


def test_a_new_repository_is_found_when_the_list_is_read_again() -> None:
    """The list of an owner's repositories is kept for some minutes, and outlives GitHub's trouble."""
    forge = forge_with(1)
    attention = Attention(["acme/*"], forge)
    attention.repositories(EPOCH, ())
    forge.own("acme/new")
    assert "acme/new" in attention.repositories(EPOCH + TURN, ())
    forge.lies.failing = 1.0
    assert "acme/new" in attention.repositories(EPOCH + TURN * 3, ())


def test_without_any_list_the_pass_is_blind_there() -> None:
    """The first failure is told rather than taken for an owner without repositories."""
    world = FakeWorld(repos=["acme/*"])
    world.forge.lies = Lies(failing=1.0)
    with pytest.raises(ForgeUnavailable):
        world.fleet().once()
    (skipped,) = world.events.of(RepositorySkipped)
    assert skipped.repo == "acme/*"


def test_one_owner_that_cannot_be_listed_does_not_blind_the_others() -> None:
    """An App that was uninstalled from one organisation still serves the next one; the trouble is told."""
    forge = forge_with(2)
    real = forge.repositories

    def listed(owner: str) -> Sequence[str]:
        if owner == "gone":
            raise ForgeDenied("the App is not installed there")
        return real(owner)

    forge.repositories = listed  # type: ignore[method-assign]  # this GitHub denies one owner
    attention = Attention(["gone/*", "acme/*"], forge)
    assert attention.repositories(EPOCH, ()) == ("acme/r000", "acme/r001")
    assert [owner for owner, _ in attention.unlisted] == ["gone/*"]


def test_what_no_list_has_yet_or_any_more_is_looked_at_on_a_hint_or_for_its_machines() -> None:
    """A repository made a minute ago, and one that was archived while a machine of it runs."""
    attention = Attention(["acme/*"], forge_with(1))
    attention.repositories(EPOCH, ())
    attention.hint("acme/Newest")
    assert attention.repositories(EPOCH + MINUTE, {"acme/archived", "octo/other"}) == (
        "acme/r000",
        "acme/Newest",
        "acme/archived",
    )
