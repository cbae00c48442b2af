"""The author of a workflow can see why a job gets no machine: once, in words, without being able to fail a pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runnerkit import boot
from runnerkit.errors import ForgeDenied, ForgeUnavailable
from runnerkit.events import ActionFailed, RefusalTold
from runnerkit.fleet import Fleet
from runnerkit.telling import MOST_IN_A_PASS, MOST_OF_A_RUN
from runnerkit.testing import FakeForge, FakeWorld
from runnerkit.understanding import Wishes
from runnerkit.wishes import Policy, RunnerSpec

REPO = "acme/widgets"


class Papers:
    """Where reasons are written; may deny or fail."""

    def __init__(self, forge: FakeForge) -> None:
        self.forge = forge
        self.no_checks = self.nothing = False
        self.down = 0
        self.checks: list[tuple[str, ...]] = []
        self.statuses: list[tuple[str, ...]] = []

    def check(self, repo: str, sha: str, name: str, conclusion: str, title: str, summary: str) -> int:
        """Keep it, or fail."""
        if self.down:
            self.down -= 1
            raise ForgeUnavailable("nobody answers")
        if self.no_checks:
            raise ForgeDenied("only an App may")
        self.checks.append((repo, sha, name, conclusion, title, summary))
        return 1

    def status(self, repo: str, sha: str, state: str, context: str, description: str = "", url: str = "") -> None:
        """Keep it, or deny."""
        if self.nothing:
            raise ForgeDenied("statuses: write is missing")
        self.statuses.append((repo, sha, state, context, description, url))


def ground(*labels: str) -> tuple[FakeWorld, Papers, Fleet]:
    """A world with one refused job, and a controller that may write."""
    world = FakeWorld()
    job = world.forge.queue(REPO, labels or ["runnerkit=1/gpu=h10"])
    world.forge._change_job(replace(job, head_sha="a" * 40, name="train"))
    papers = Papers(world.forge)
    return world, papers, fleet(world, papers)


def fleet(world: FakeWorld, papers: Papers) -> Fleet:
    wishes = Wishes({}, RunnerSpec())
    return Fleet(
        world.outside,
        policy=world.policy,
        repos=[REPO],
        owner="runnerkit",
        wishes=wishes,
        user_data=boot.user_data,
        workers=1,
        reports=papers,  # type: ignore[arg-type]  # comments are not used here
    )


def test_a_refused_job_is_told_once_by_a_check() -> None:
    """With the reason, what to do, and where to ask more."""
    world, papers, controller = ground()
    controller.run(interval=30, passes=3)
    ((repo, sha, name, conclusion, _, summary),) = papers.checks
    assert (repo, sha, name, conclusion) == (REPO, "a" * 40, "runnerkit: train", "action_required")
    assert "h10" in summary
    assert "runnerkit why 1" in summary
    assert [event.how for event in world.events.of(RefusalTold)] == ["check"]


def test_who_is_no_app_tells_by_a_status() -> None:
    """A fine-grained token may not create checks."""
    _, papers, controller = ground()
    papers.no_checks = True
    controller.once()
    ((_, _, state, context, description, _),) = papers.statuses
    assert (state, context) == ("error", "runnerkit: train")
    assert "h10" in description


def test_another_controller_does_not_tell_it_again() -> None:
    """The journal knows."""
    world, papers, controller = ground()
    controller.once()
    fleet(world, papers).once()
    assert len(papers.checks) == 1


def test_without_the_permission_it_is_tried_once_and_said() -> None:
    """Each pass would otherwise cost two refused calls for each refused job."""
    world, papers, controller = ground()
    papers.no_checks = papers.nothing = True
    controller.run(interval=30, passes=4)
    assert [event.action for event in world.events.of(ActionFailed)] == ["tell"]


def test_trouble_on_the_way_is_tried_again() -> None:
    """A pass does not fail for it."""
    _, papers, controller = ground()
    papers.down = 2
    controller.run(interval=30, passes=4)
    assert len(papers.checks) == 1


def test_words_of_strangers_stay_words() -> None:
    """A label may hold Markdown, mentions and markup."""
    world, papers, controller = ground("runnerkit=1/gpu=<img>[x](http://a)@octocat`")
    controller.once()
    summary = papers.checks[0][5]
    assert "<img" not in summary
    assert "@octocat" not in summary
    assert "\\[x](" in summary
    assert world.cloud.launches == 0


def test_a_refusal_that_does_not_hold_any_more_is_taken_back_once() -> None:
    """An approval may reach us late; a red mark that stays would say what is not so."""
    world, papers, controller = ground("runnerkit=1/gpu=t4")
    world.policy = strict = Policy(require_environment=("production",))
    controller = fleet(world, papers)
    controller.once()
    assert [check[3] for check in papers.checks] == ["action_required"]
    world.forge.gates = lambda _repo, _job: frozenset({"production"})  # type: ignore[method-assign,assignment]  # GitHub's answer
    assert world.policy is strict
    fleet(world, papers).run(interval=30, passes=3)
    assert [check[3] for check in papers.checks] == ["action_required", "neutral"]
    assert [event.how for event in world.events.of(RefusalTold)] == ["check", "withdrawn"]
    fleet(world, papers).once()
    assert len(papers.checks) == 2


def test_the_next_process_knows_who_may_not_write_and_asks_again_later() -> None:
    """`once` would otherwise cost two refused calls a job each time; a permission may be given, though."""
    world, papers, _ = ground()
    papers.no_checks = papers.nothing = True
    for _ in range(3):
        fleet(world, papers).once()
    assert len(world.events.of(ActionFailed)) == 1
    papers.no_checks = False
    world.clock.advance(3700)
    fleet(world, papers).once()
    assert len(papers.checks) == 1


def test_a_stranger_s_matrix_is_no_flood_of_checks() -> None:
    """GitHub limits what anybody may write in an hour, and registrations come out of the same purse."""
    world, papers, controller = ground()
    for _ in range(50):
        job = world.forge.queue(REPO, ["runnerkit=1/gpu=h10"], run_id=1)
        world.forge._change_job(replace(job, head_sha="a" * 40))
    controller.run(interval=30, passes=8)
    assert len(papers.checks) == MOST_OF_A_RUN


def test_trouble_with_github_costs_a_bounded_number_of_tries() -> None:
    """However many refused jobs there are."""
    world, papers, controller = ground()
    for number in range(2, 60):
        job = world.forge.queue(REPO, [f"runnerkit={number}/gpu=h10"])
        world.forge._change_job(replace(job, head_sha="a" * 40))
    papers.down = 1000
    controller.once()
    assert 1000 - papers.down == MOST_IN_A_PASS


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("\\[x](http://evil.example)", "\\\\["),
        ("a\n# Approved", "\n# "),
        ("&#64;octocat", "&#64;"),
        ("see https://evil.example", "https://"),
        ("see www.evil.example", "www.evil"),
    ],
)
def test_names_of_jobs_stay_words(name: str, never: str) -> None:
    """No link, no line of its own, no mention, however it is spelt."""
    world, papers, controller = ground()
    (job,) = world.forge.real_jobs()
    world.forge._change_job(replace(job, name=name))
    controller.once()
    summary = papers.checks[0][5]
    assert never not in summary.replace("\\\\\\[", "")
