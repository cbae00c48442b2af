from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeRejected, ForgeUnavailable, NotFound
from runnerkit.sandbox.github import GitHubWorld
from tests.contract.github_ground import LABELS, REPO, Ticking, forge_at, sent

if TYPE_CHECKING:
    from collections.abc import Iterator

GPU = ("runnerkit=77/gpu=t4",)


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository."""
    with GitHubWorld(Ticking()) as world:
        world.add_repository(REPO)
        yield world
        assert world.violations == []
        assert world.refused_requests == []


def test_a_queued_job_tells_all_that_policy_asks_for(world: GitHubWorld) -> None:
    """Event, commit, privacy and fork come from the job's run, without a further call."""
    queued = world.queue_job(REPO, GPU, event="pull_request")
    with forge_at(world) as forge:
        (job,) = forge.queued(REPO)
    assert (job.id, job.run_id, job.labels) == (queued.id, queued.run_id, GPU)
    assert (job.status, job.event, job.private, job.fork) == ("queued", "pull_request", True, False)
    assert job.created_at == world.clock.now()
    assert len(job.head_sha) == 40


def test_a_forks_job_in_a_public_repository_is_told_as_such(world: GitHubWorld) -> None:
    """Law-abiding policy depends on this: the head is another repository, and everybody can see it."""
    world.add_repository("acme/open", private=False)
    world.add_repository("stranger/open", private=False, parent="acme/open")
    world.queue_job("acme/open", GPU, event="pull_request", head_repository="stranger/open")
    with forge_at(world) as forge:
        (job,) = forge.queued("acme/open")
    assert (job.private, job.fork) == (False, True)


def test_only_waiting_jobs_are_listed_each_once(world: GitHubWorld) -> None:
    """Running, finished and held-back jobs do not need a runner; a run under way can still hold a queued one."""
    run = world.add_run(
        REPO,
        [
            {"name": "prepare", "labels": ["hosted"], "status": "in_progress"},
            {"name": "train", "labels": GPU},
            {"name": "deploy", "labels": GPU, "status": "waiting"},
        ],
    )
    done = world.queue_job(REPO, GPU)
    world.finish_job(done)
    with forge_at(world) as forge:
        assert [(job.name, job.run_id) for job in forge.queued(REPO)] == [("train", run.id)]


def test_many_runs_are_read_by_page_and_then_for_nothing(world: GitHubWorld) -> None:
    """130 runs cost a first look (the newest, five statuses, one of two pages) and a call each, then nothing."""
    for _ in range(130):
        world.queue_job(REPO, GPU)
    with forge_at(world) as forge:
        first = forge.queued(REPO)
        assert len({job.id for job in first}) == len(first) == 130
        assert len(world.calls) == 1 + 5 + 1 + 130
        charged = sum(call.charged for call in world.calls)
        assert forge.queued(REPO) == first
    assert sum(call.charged for call in world.calls) == charged


def test_a_quiet_repository_costs_three_free_requests_a_look(world: GitHubWorld) -> None:
    """Two lists of runs and one of runners, each asked for with its ETag and answered by a 304, look after look."""
    world.finish_job(world.queue_job(REPO, GPU))
    with forge_at(world) as forge:
        for _ in range(7):  # by then each list by status was read once
            forge.active(REPO)
            forge.runners(REPO)
        for _ in range(12):
            before = len(world.calls)
            assert (forge.active(REPO), forge.runners(REPO)) == ([], [])
            looked = world.calls[before:]
            assert [(call.path.rpartition("/")[2], call.status, call.charged) for call in looked] == [
                ("runs", 304, False),
                ("runs", 304, False),
                ("runners", 304, False),
            ]


def test_a_run_that_waits_for_an_approval_hides_no_queued_job(world: GitHubWorld) -> None:
    """GitHub calls such a run waiting, though another of its jobs needs a runner now."""
    with forge_at(world) as forge:
        assert forge.active(REPO) == []
        run = world.add_run(
            REPO,
            [{"name": "train", "labels": GPU}, {"name": "deploy", "labels": GPU, "status": "waiting"}],
        )
        told = forge.run(REPO, run.id)
        assert told is not None
        assert told.status == "waiting"
        assert [job.name for job in forge.queued(REPO)] == ["train"]
        assert [job.name for job in forge.active(REPO)] == ["train", "deploy"]


def test_a_matrix_bounded_by_max_parallel_hides_no_queued_job(world: GitHubWorld) -> None:
    """GitHub calls such a run pending, though a leg of it needs a runner now."""
    with forge_at(world) as forge:
        assert forge.active(REPO) == []
        run = world.add_run(
            REPO, [{"name": "leg 1", "labels": GPU}, {"name": "leg 2", "labels": GPU, "status": "pending"}]
        )
        told = forge.run(REPO, run.id)
        assert told is not None
        assert told.status == "pending"
        assert [job.name for job in forge.queued(REPO)] == ["leg 1"]


def test_an_old_run_is_kept_in_sight_when_many_newer_ones_push_it_off_the_page(world: GitHubWorld) -> None:
    """It is followed by its id, for one free request, until it is over; then it is forgotten."""
    job = world.queue_job(REPO, GPU)
    world.state.live.jobs[job.id].status = "pending"
    with forge_at(world) as forge:
        assert [each.id for each in forge.active(REPO)] == [job.id]
        for _ in range(40):
            world.finish_job(world.queue_job(REPO, GPU))
        world.state.live.jobs[job.id].status = "queued"
        assert [each.id for each in forge.queued(REPO)] == [job.id]
        world.finish_job(job)
        assert forge.active(REPO) == []
        forge.active(REPO)
        before = len(world.calls)
        assert forge.active(REPO) == []
        assert len(world.calls) - before == 2


def test_an_old_run_that_is_started_again_is_found_within_two_looks(world: GitHubWorld) -> None:
    """It is on no page of newest runs, and nobody told of it."""
    job = world.queue_job(REPO, GPU)
    world.finish_job(job, "failure")
    for _ in range(40):
        world.finish_job(world.queue_job(REPO, GPU))
    with forge_at(world) as forge:
        assert forge.active(REPO) == []
        forge.rerun_failed(REPO, job.run_id)
        looks = [forge.queued(REPO), forge.queued(REPO)]
    assert [each.run_id for each in looks[-1]] == [job.run_id]


def test_more_new_runs_than_a_page_holds_are_all_seen(world: GitHubWorld) -> None:
    """Pages are read back to what was known."""
    with forge_at(world) as forge:
        world.finish_job(world.queue_job(REPO, GPU))
        assert forge.active(REPO) == []
        for number in range(70):
            world.add_run(
                REPO, [{"name": f"{number}", "labels": GPU}, {"name": "w", "labels": GPU, "status": "waiting"}]
            )
        assert len(forge.queued(REPO)) == 70


def test_a_failed_look_loses_nothing(world: GitHubWorld) -> None:
    """What was known stays known, and the next look reads what this one could not."""
    job = world.queue_job(REPO, GPU)
    with forge_at(world) as forge:
        world.fail("GET", "*/actions/runs", 500, times=3)
        with pytest.raises(ForgeUnavailable):
            forge.active(REPO)
        assert [each.id for each in forge.active(REPO)] == [job.id]
        assert world.count("GET", "*/actions/runs", 200) == 6


def test_a_run_of_more_than_a_hundred_jobs_is_read_whole(world: GitHubWorld) -> None:
    """A matrix of 150 jobs is read whole, page by page."""
    run = world.add_run(REPO, [{"name": f"train ({number})", "labels": GPU} for number in range(150)])
    with forge_at(world) as forge:
        assert len(forge.queued(REPO)) == 150
        assert len(forge.jobs(REPO, run.id)) == 150


def test_a_job_is_one_call_and_always_fresh(world: GitHubWorld) -> None:
    """Reading a job by id costs one call and shows its present state."""
    queued = world.queue_job(REPO, GPU)
    with forge_at(world) as forge:
        before = forge.job(REPO, queued.id)
        world.finish_job(queued, "cancelled")
        after = forge.job(REPO, queued.id)
        assert sent(world) == [f"GET /repos/{REPO}/actions/jobs/{queued.id}"] * 2
    assert before is not None
    assert after is not None
    assert (before.status, before.conclusion, before.private) == ("queued", None, None)
    assert (after.status, after.conclusion) == ("completed", "cancelled")


def test_a_job_from_the_last_listing_keeps_what_its_run_told(world: GitHubWorld) -> None:
    """After a listing, the job read by id knows privacy, fork and event without another call."""
    queued = world.queue_job(REPO, GPU)
    with forge_at(world) as forge:
        (listed,) = forge.queued(REPO)
        assert forge.job(REPO, queued.id) == listed


def test_an_unknown_job_or_run_is_none(world: GitHubWorld) -> None:
    """GitHub's 404 on an id means that there is none."""
    with forge_at(world) as forge:
        assert forge.job(REPO, 1) is None
        assert forge.run(REPO, 1) is None
        with pytest.raises(NotFound, match="list the jobs of run 1"):
            forge.jobs(REPO, 1)


def test_a_run_that_vanishes_between_the_lists_is_passed_over(world: GitHubWorld) -> None:
    """A run deleted after it was listed costs the others nothing."""
    world.queue_job(REPO, GPU)
    kept = world.queue_job(REPO, GPU)
    world.fail("GET", "*/jobs", 404)
    with forge_at(world) as forge:
        found = forge.queued(REPO)
    assert len(found) == 1
    assert found[0].id in {kept.id, kept.id - 1}


def test_an_interrupted_job_is_run_again(world: GitHubWorld) -> None:
    """Once the run is over its failed jobs get a second attempt; both attempts can be told apart."""
    job = world.queue_job(REPO, GPU)
    world.finish_job(job, "failure")
    with forge_at(world) as forge:
        forge.rerun_failed(REPO, job.run_id)
        (second,) = forge.jobs(REPO, job.run_id)
        (first,) = forge.attempt(REPO, job.run_id, 1)
        run = forge.run(REPO, job.run_id)
    assert (first.id, first.run_attempt, first.conclusion) == (job.id, 1, "failure")
    assert (second.run_attempt, second.status) == (2, "queued")
    assert run is not None
    assert run.attempt == 2


def test_one_job_is_run_again(world: GitHubWorld) -> None:
    """A single job can be repeated by its id."""
    job = world.queue_job(REPO, GPU)
    world.finish_job(job, "failure")
    with forge_at(world) as forge:
        forge.rerun_job(REPO, job.id)
        assert [each.run_attempt for each in forge.jobs(REPO, job.run_id)] == [2]


def test_a_run_under_way_cannot_be_run_again(world: GitHubWorld) -> None:
    """GitHub's 403 here is no missing permission: the request is refused as it is, and sent once."""
    job = world.queue_job(REPO, GPU)
    with forge_at(world) as forge:
        with pytest.raises(ForgeRejected, match="already running"):
            forge.rerun_failed(REPO, job.run_id)
        with pytest.raises(ForgeRejected, match="already running"):
            forge.rerun_job(REPO, job.id)
    assert world.count("POST") == 2


def test_cancelling_twice_is_no_error(world: GitHubWorld) -> None:
    """A run that is over already stays over."""
    job = world.queue_job(REPO, LABELS)
    with forge_at(world) as forge:
        forge.cancel(REPO, job.run_id)
        forge.cancel(REPO, job.run_id)
    assert world.jobs(world.state.run(REPO, job.run_id))[0].conclusion == "cancelled"
    assert [call.status for call in world.calls] == [202, 409]


def test_a_reading_is_tried_three_times(world: GitHubWorld) -> None:
    """Two failures of GitHub are waited out, shortly and then longer."""
    job = world.queue_job(REPO, GPU)
    world.fail("GET", "*/jobs/*", 502, 2)
    with forge_at(world) as forge:
        assert forge.job(REPO, job.id) is not None
    assert isinstance(world.clock, Ticking)
    first, second = world.clock.waits
    assert 0.25 <= first <= 0.75
    assert 1 <= second <= 3
    assert len(world.calls) == 3


def test_a_reading_gives_up_after_three_tries(world: GitHubWorld) -> None:
    """An outage ends in an error, not in an endless loop."""
    world.fail("GET", "*", 503, None)
    with forge_at(world) as forge, pytest.raises(ForgeUnavailable, match="status 503"):
        forge.job(REPO, 1)
    assert len(world.calls) == 3


def test_a_lost_answer_to_a_reading_is_asked_for_again(world: GitHubWorld) -> None:
    """Reading twice does no harm."""
    job = world.queue_job(REPO, GPU)
    world.lose_answer("GET", "*/jobs/*")
    with forge_at(world) as forge:
        assert forge.job(REPO, job.id) is not None
    assert [call.delivered for call in world.calls] == [False, True]


def test_a_rerun_is_never_repeated(world: GitHubWorld) -> None:
    """A failed POST stays the only one."""
    job = world.queue_job(REPO, GPU)
    world.finish_job(job, "failure")
    world.fail("POST", "*", 500, None)
    with forge_at(world) as forge, pytest.raises(ForgeUnavailable):
        forge.rerun_failed(REPO, job.run_id)
    assert world.count("POST") == 1


def test_an_enterprise_server_is_reached_below_its_prefix(world: GitHubWorld) -> None:
    """The address of a GitHub Enterprise Server ends in /api/v3."""
    job = world.queue_job(REPO, GPU)
    with forge_at(world, api_url=f"{world.url}/api/v3/") as forge:
        assert forge.job(REPO, job.id) is not None
        assert len(forge.queued(REPO)) == 1
