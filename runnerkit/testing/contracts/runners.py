"""The contract of runner records at a forge: register, look up, deregister, and what happens to them by themselves."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeRejected, ForgeUnavailable, NameTaken, RunnerBusy

if TYPE_CHECKING:
    from runnerkit.model import Registration, Runner
    from runnerkit.testing.contracts.benches import ForgeBench

NAME = "rk-77-1"
GPU = ("self-hosted", "runnerkit=77/gpu=t4")
LABELS = (*GPU, "runnerkit-born-1767225600")
UNKNOWN_ID = 4711


class RunnerContract:
    """What runner records do. Needs a fixture ``bench``."""

    # --- registering --------------------------------------------------------------------------------------------------

    def test_a_fresh_runner_is_as_it_was_asked_for(self, bench: ForgeBench) -> None:
        """Exactly the labels (whatever their case), at the repository's place, offline, idle and never connected."""
        runner = register(bench).runner
        assert (runner.name, runner.repo, runner.place) == (NAME, bench.repo, bench.forge.place(bench.repo))
        assert sorted(label.lower() for label in runner.labels) == sorted(LABELS)
        assert (runner.online, runner.busy, runner.connected) == (False, False, False)
        assert runner.birth is not None
        assert runner.birth.at.timestamp() == 1767225600  # noqa: PLR2004 - as in the label

    def test_the_secret_is_hidden_and_its_own(self, bench: ForgeBench) -> None:
        """No text of a registration shows it, and no two are alike."""
        first, second = register(bench), register(bench, "rk-78-1")
        assert first.jit_config.reveal()
        assert first.jit_config != second.jit_config
        assert first.jit_config.reveal() not in f"{first!r} {first} {first.jit_config}"

    @pytest.mark.parametrize("name", [NAME, NAME.upper()])
    def test_a_name_is_a_lock(self, bench: ForgeBench, name: str) -> None:
        """A second registration is refused, also in other letters, and the first stays as it is."""
        first = register(bench).runner
        with pytest.raises(NameTaken):
            register(bench, name)
        assert list(bench.forge.runners(bench.repo)) == [first]

    def test_a_deleted_runners_name_is_free(self, bench: ForgeBench) -> None:
        """The next one of that name is another runner."""
        first = register(bench).runner
        bench.forge.deregister(bench.repo, first.id)
        second = register(bench).runner
        assert second.id != first.id
        assert bench.forge.runner(bench.repo, first.id) is None

    @pytest.mark.parametrize(("name", "labels"), [("x" * 65, GPU), ("rk 77 1", GPU), ("", GPU), (NAME, ())])
    def test_what_github_cannot_take_is_rejected(self, bench: ForgeBench, name: str, labels: tuple[str, ...]) -> None:
        """Names of 1 to 64 safe characters and at least one label; anything else registers nothing."""
        with pytest.raises(ForgeRejected):
            bench.forge.register(bench.repo, name, labels)
        assert list(bench.forge.runners(bench.repo)) == []

    def test_a_lost_answer_is_told_as_unknown(self, bench: ForgeBench) -> None:
        """The error says that nobody knows; the name tells that it happened, once."""
        bench.lose_registration_answers()
        with pytest.raises(ForgeUnavailable):
            register(bench)
        found = bench.forge.runner_named(bench.repo, NAME)
        assert list(bench.forge.runners(bench.repo)) == [found]

    # --- looking up ---------------------------------------------------------------------------------------------------

    def test_id_name_and_list_agree(self, bench: ForgeBench) -> None:
        """Three ways to the same runner; a name is found in any case."""
        ours, other = register(bench).runner, register(bench, "rk-77-11").runner
        assert bench.forge.runner(bench.repo, ours.id) == ours
        assert bench.forge.runner_named(bench.repo, NAME) == ours
        assert bench.forge.runner_named(bench.repo, NAME.upper()) == ours
        assert by_id(bench) == {ours.id: ours, other.id: other}

    def test_an_unknown_runner_is_none(self, bench: ForgeBench) -> None:
        """Neither an id, nor a name, nor the beginning of a name is an error."""
        register(bench)
        assert bench.forge.runner(bench.repo, UNKNOWN_ID) is None
        assert bench.forge.runner_named(bench.repo, "rk-4711-1") is None
        assert bench.forge.runner_named(bench.repo, NAME[:-1]) is None

    def test_a_runner_is_seen_from_its_place_only(self, bench: ForgeBench) -> None:
        """Repositories with one place share runners, each seeing them as its own; others do not see them at all."""
        runner = register(bench).runner
        place = bench.forge.place(bench.public_repo)
        there = [runner.id] if place == runner.place else []
        assert [seen.id for seen in bench.forge.runners(bench.public_repo)] == there
        single = bench.forge.runner(bench.public_repo, runner.id), bench.forge.runner_named(bench.public_repo, NAME)
        assert [seen.id for seen in single if seen] == there * 2
        assert {seen.repo for seen in single if seen} <= {bench.public_repo}
        assert bench.forge.deregister(bench.public_repo, runner.id) is bool(there)

    def test_the_place_is_the_same_each_time(self, bench: ForgeBench) -> None:
        """It is a key, so it says something, and always the same."""
        places = {bench.forge.place(bench.repo) for _ in range(2)}
        assert len(places) == 1
        assert "" not in places

    # --- deregistering ------------------------------------------------------------------------------------------------

    def test_deleting_tells_what_happened(self, bench: ForgeBench) -> None:
        """True for a runner that was there, False for one that is gone already; its secret is worthless then."""
        registration = register(bench)
        runner = registration.runner
        assert bench.forge.deregister(bench.repo, runner.id) is True
        assert bench.forge.deregister(bench.repo, runner.id) is False
        assert bench.forge.deregister(bench.repo, UNKNOWN_ID) is False
        assert_gone(bench, runner)
        assert bench.connect(registration.jit_config) is False

    def test_an_idle_runner_can_be_deleted_while_it_listens(self, bench: ForgeBench) -> None:
        """Deleting is the lock before a machine is ended: a runner without a job gives it."""
        runner = connected(bench)
        assert bench.forge.deregister(bench.repo, runner.id) is True
        assert_gone(bench, runner)

    def test_a_busy_runner_is_not_deleted(self, bench: ForgeBench) -> None:
        """While a job runs there GitHub refuses, and everything stays as it is."""
        runner, job_id = busy(bench)
        with pytest.raises(RunnerBusy):
            bench.forge.deregister(bench.repo, runner.id)
        assert look(bench, runner).busy
        assert status(bench, job_id) == "in_progress"

    # --- what happens to runners --------------------------------------------------------------------------------------

    def test_a_connected_runner_is_online(self, bench: ForgeBench) -> None:
        """And idle; everybody who looks sees it."""
        runner = connected(bench)
        assert (runner.online, runner.connected, runner.busy) == (True, True, False)
        assert by_id(bench) == {runner.id: runner}

    def test_a_lost_runner_was_connected_once(self, bench: ForgeBench) -> None:
        """Offline again is not the same as never online."""
        runner = connected(bench)
        bench.lose(runner.id)
        lost = look(bench, runner)
        assert (lost.online, lost.connected) == (False, True)

    def test_a_runner_with_a_job_is_busy(self, bench: ForgeBench) -> None:
        """The job tells by whom it was taken, and waits no more."""
        runner, job_id = busy(bench)
        assert (runner.online, runner.busy) == (True, True)
        job = bench.forge.job(bench.repo, job_id)
        assert job is not None
        assert (job.status, job.runner_name) == ("in_progress", NAME)
        assert list(bench.forge.queued(bench.repo)) == []

    def test_labels_match_in_any_case(self, bench: ForgeBench) -> None:
        """A runner registered with capitals takes the job that spells the label without them."""
        registration = bench.forge.register(bench.repo, NAME, ("RunnerKit=77/GPU=t4",))
        bench.connect(registration.jit_config)
        bench.queue(bench.repo, ("runnerkit=77/gpu=T4",))
        bench.assign()
        assert look(bench, registration.runner).busy

    def test_a_repositorys_runner_takes_no_job_of_another(self, bench: ForgeBench) -> None:
        """Whatever its labels; an organisation's may, if the group admits the repository."""
        runner = connected(bench)
        (job_id,) = bench.queue(bench.public_repo, GPU)
        bench.assign()
        job = bench.forge.job(bench.public_repo, job_id)
        assert job is not None
        assert look(bench, runner).busy is (job.status == "in_progress")
        assert job.status == "queued" or bench.forge.place(bench.public_repo) == runner.place

    @pytest.mark.parametrize("conclusion", ["success", "failure"])
    def test_a_runner_is_gone_after_its_job(self, bench: ForgeBench, conclusion: str) -> None:
        """However it ended: one registration, one job."""
        runner, job_id = busy(bench)
        bench.finish(job_id, conclusion)
        assert_gone(bench, runner)

    def test_a_runner_lost_at_work_stays_busy_and_registered(self, bench: ForgeBench) -> None:
        """Until GitHub gives its job up nobody can delete it; then the record is still there, idle."""
        runner, job_id = busy(bench)
        bench.lose(runner.id)
        lost = look(bench, runner)
        assert (lost.online, lost.busy) == (False, True)
        with pytest.raises(RunnerBusy):
            bench.forge.deregister(bench.repo, runner.id)
        bench.give_up(job_id)
        left = look(bench, runner)
        assert (left.online, left.busy, status(bench, job_id)) == (False, False, "completed")
        assert bench.forge.deregister(bench.repo, runner.id) is True

    def test_a_runner_that_github_forgot_is_unknown(self, bench: ForgeBench) -> None:
        """It happens to idle ones, without a word; the name is free again."""
        runner = connected(bench)
        bench.vanish(runner.id)
        assert_gone(bench, runner)
        assert register(bench).runner.id != runner.id

    def test_the_downloads_are_linux_runners(self, bench: ForgeBench) -> None:
        """For both architectures; a checksum, where GitHub tells one, is a SHA-256."""
        packages = {each.arch: each for each in bench.forge.downloads(bench.repo) if each.os == "linux"}
        assert {"x64", "arm64"} <= set(packages)
        assert all("://" in each.url for each in packages.values())
        assert {len(bytes.fromhex(each.sha256)) for each in packages.values()} <= {0, 32}

    def test_releases_are_versions_each_once_with_their_dates(self, bench: ForgeBench) -> None:
        """Three numbers without a v; a date, where one is told, is aware and behind us."""
        releases = list(bench.forge.releases(bench.repo))
        versions = [each.version for each in releases]
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
        assert len(set(versions)) == len(versions) > 0
        dates = [each.at for each in releases if each.at is not None]
        assert all(date.tzinfo is not None and date < datetime.now(UTC) for date in dates)
        assert list(bench.forge.releases(bench.repo)) == releases


def register(bench: ForgeBench, name: str = NAME) -> Registration:
    """Register as the core does."""
    return bench.forge.register(bench.repo, name, LABELS)


def connected(bench: ForgeBench) -> Runner:
    """A runner that listens."""
    registration = register(bench)
    assert bench.connect(registration.jit_config) is True
    return look(bench, registration.runner)


def busy(bench: ForgeBench) -> tuple[Runner, int]:
    """A runner at work, and the id of its job."""
    runner = connected(bench)
    (job_id,) = bench.queue(bench.repo, GPU)
    bench.assign()
    return look(bench, runner), job_id


def look(bench: ForgeBench, runner: Runner) -> Runner:
    """A runner as it is now."""
    found = bench.forge.runner(bench.repo, runner.id)
    assert found is not None
    return found


def by_id(bench: ForgeBench) -> dict[int, Runner]:
    """The list."""
    return {runner.id: runner for runner in bench.forge.runners(bench.repo)}


def status(bench: ForgeBench, job_id: int) -> str:
    """Where a job is."""
    job = bench.forge.job(bench.repo, job_id)
    assert job is not None
    return job.status


def assert_gone(bench: ForgeBench, runner: Runner) -> None:
    """Whichever way one asks."""
    assert bench.forge.runner(bench.repo, runner.id) is None
    assert bench.forge.runner_named(bench.repo, runner.name) is None
    assert runner.id not in by_id(bench)
    assert bench.forge.deregister(bench.repo, runner.id) is False
