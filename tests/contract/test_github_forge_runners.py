from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ConfigError, ForgeRejected, ForgeUnavailable, NameTaken, NotFound, RunnerBusy
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.registrations import register
from tests.contract.github_ground import LABELS, REPO, Ticking, Written, forge_at, sent

if TYPE_CHECKING:
    from collections.abc import Iterator

JITCONFIG = "*/generate-jitconfig"
ORG: Written = {"organization": "acme", "runner_group": "gpu"}


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with one private repository, which must never break GitHub's description nor be asked against it."""
    with GitHubWorld(Ticking()) as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        yield world
        assert world.violations == []
        assert world.refused_requests == []


def crowd(world: GitHubWorld, count: int, group: int = 1, level: str = f"repos/{REPO}") -> None:
    """Register many runners behind the API's back."""
    with world.state.open():
        for number in range(count):
            register(world.state, level, f"other-{group}-{number}", group, ["gpu"], "_work")


def test_registering_is_one_call_and_keeps_the_labels(world: GitHubWorld) -> None:
    """The registration carries exactly the labels given, and costs exactly one request."""
    with forge_at(world) as forge:
        registration = forge.register(REPO, "rk-5-1", LABELS)
        assert sent(world) == [f"POST /repos/{REPO}/actions/runners/generate-jitconfig"]
    assert registration.runner.labels == LABELS
    assert (registration.runner.place, registration.runner.connected) == (REPO, False)
    assert world.runners()[0].work_folder == "_work"


def test_the_secret_lets_a_machine_be_the_runner_and_is_never_shown(world: GitHubWorld) -> None:
    """The JIT configuration works at GitHub and appears in no text of the registration."""
    with forge_at(world) as forge:
        registration = forge.register(REPO, "rk-5-1", LABELS)
        assert registration.jit_config.reveal() not in repr(registration)
        world.runner_connects(registration.jit_config.reveal())
        found = forge.runner(REPO, registration.runner.id)
    assert found is not None
    assert (found.online, found.connected, found.busy) == (True, True, False)


def test_a_name_can_be_registered_once(world: GitHubWorld) -> None:
    """The second registration of a name is NameTaken, and the first stays as it is."""
    with forge_at(world) as forge:
        first = forge.register(REPO, "rk-5-1", LABELS).runner
        with pytest.raises(NameTaken, match=r"rk-5-1 .*already exists"):
            forge.register(REPO, "rk-5-1", LABELS)
        assert forge.runner_named(REPO, "RK-5-1") == first


def test_a_lost_answer_is_never_followed_by_a_second_registration(world: GitHubWorld) -> None:
    """When the answer gets lost, one POST is on the wire, and the name tells that it happened."""
    world.lose_answer("POST", JITCONFIG)
    with forge_at(world) as forge:
        with pytest.raises(ForgeUnavailable, match="register runner rk-5-1"):
            forge.register(REPO, "rk-5-1", LABELS)
        assert world.count("POST", JITCONFIG) == 1
        assert forge.runner_named(REPO, "rk-5-1") is not None


def test_a_failed_registration_is_not_repeated(world: GitHubWorld) -> None:
    """A 502 to a registration leaves one POST on the wire and no wait behind."""
    world.fail("POST", JITCONFIG, 502)
    with forge_at(world) as forge, pytest.raises(ForgeUnavailable, match="status 502"):
        forge.register(REPO, "rk-5-1", LABELS)
    assert world.count("POST", JITCONFIG) == 1
    assert world.runners() == []


def test_an_invalid_registration_says_what_github_says(world: GitHubWorld) -> None:
    """GitHub's own words reach the reader."""
    with forge_at(world) as forge, pytest.raises(ForgeRejected, match="must have 1 to 64 letters"):
        forge.register(REPO, "rk 5 1", LABELS)


def test_runners_are_listed_by_the_hundred(world: GitHubWorld) -> None:
    """250 runners cost three calls and come back complete, each once."""
    crowd(world, 250)
    with forge_at(world) as forge:
        found = forge.runners(REPO)
    assert len({runner.id for runner in found}) == len(found) == 250
    assert len(world.calls) == 3


def test_exactly_a_hundred_runners_cost_one_call(world: GitHubWorld) -> None:
    """A full page that is the last one is not followed by a request for an empty one."""
    crowd(world, 100)
    with forge_at(world) as forge:
        assert len(forge.runners(REPO)) == 100
    assert len(world.calls) == 1


def test_an_unchanged_list_is_free(world: GitHubWorld) -> None:
    """The second reading of every page is a 304 that costs nothing and shows the same runners."""
    crowd(world, 150)
    with forge_at(world) as forge:
        first = forge.runners(REPO)
        assert forge.runners(REPO) == first
    assert [(call.status, call.charged) for call in world.calls] == [(200, True)] * 2 + [(304, False)] * 2


def test_a_changed_list_is_read_again(world: GitHubWorld) -> None:
    """What memory holds never hides a change."""
    crowd(world, 1)
    with forge_at(world) as forge:
        before = forge.runners(REPO)
        world.runner_connects(before[0].id)
        after = forge.runners(REPO)
        assert (before[0].online, after[0].online) == (False, True)
        forge.deregister(REPO, after[0].id)
        assert forge.runners(REPO) == []


def test_a_lagging_list_is_told_as_it_is_and_the_id_tells_the_truth(world: GitHubWorld) -> None:
    """The list may not show a fresh runner yet; reading it by id does."""
    with forge_at(world) as forge:
        world.lag(30)
        fresh = forge.register(REPO, "rk-5-1", LABELS).runner
        assert forge.runners(REPO) == []
        assert forge.runner(REPO, fresh.id) == fresh


def test_an_unknown_runner_is_none(world: GitHubWorld) -> None:
    """Neither an id nor a name that GitHub does not know is an error."""
    with forge_at(world) as forge:
        assert forge.runner(REPO, 4711) is None
        assert forge.runner_named(REPO, "rk-4711-1") is None


def test_deleting_tells_what_happened(world: GitHubWorld) -> None:
    """True for a runner that was there, False for one that is gone already."""
    with forge_at(world) as forge:
        runner = forge.register(REPO, "rk-5-1", LABELS).runner
        assert forge.deregister(REPO, runner.id) is True
        assert forge.deregister(REPO, runner.id) is False


def test_a_busy_runner_is_not_deleted(world: GitHubWorld) -> None:
    """While a job runs GitHub refuses, and that refusal is RunnerBusy."""
    with forge_at(world) as forge:
        registration = forge.register(REPO, "rk-5-1", LABELS)
        world.queue_job(REPO, LABELS[:2])
        world.runner_connects(registration.jit_config.reveal())
        with pytest.raises(RunnerBusy, match="currently running a job"):
            forge.deregister(REPO, registration.runner.id)
        found = forge.runner(REPO, registration.runner.id)
    assert found is not None
    assert found.busy


def test_the_downloads_name_a_linux_runner(world: GitHubWorld) -> None:
    """The runner application for this platform is among them."""
    with forge_at(world) as forge:
        assert {(each.os, each.arch) for each in forge.downloads(REPO)} >= {("linux", "x64"), ("linux", "arm64")}


def test_runners_of_a_group_are_registered_there(world: GitHubWorld) -> None:
    """With an organisation's group the runner lands in that group; its id is asked for once."""
    group = world.add_group("acme", "gpu")
    with forge_at(world, **ORG) as forge:
        first = forge.register(REPO, "rk-5-1", LABELS).runner
        forge.register(REPO, "rk-5-2", LABELS)
        assert [runner.group_id for runner in world.runners()] == [group.id, group.id]
        assert world.count("GET", "/orgs/acme/actions/runner-groups") == 1
        assert forge.runner(REPO, first.id) == first
        assert forge.runner_named(REPO, "rk-5-1") == first
        assert forge.deregister(REPO, first.id)


def test_a_group_that_was_made_anew_is_found_again(world: GitHubWorld) -> None:
    """One registration fails, with what is missing; the next asks for the group's id, whatever the case of its name."""
    old = world.add_group("acme", "gpu")
    with forge_at(world, **ORG | {"runner_group": "GPU"}) as forge:
        forge.register(REPO, "rk-5-1", LABELS)
        del world.state.groups["acme"][old.id]
        new = world.add_group("acme", "gpu")
        with pytest.raises(NotFound):
            forge.register(REPO, "rk-5-2", LABELS)
        forge.register(REPO, "rk-5-3", LABELS)
    assert [runner.group_id for runner in world.runners()] == [old.id, new.id]


def test_only_the_groups_own_runners_are_listed(world: GitHubWorld) -> None:
    """Runners of other groups cannot serve the repository and are not shown."""
    group = world.add_group("acme", "gpu")
    crowd(world, 3, 1, "orgs/acme")
    crowd(world, 2, group.id, "orgs/acme")
    with forge_at(world, **ORG) as forge:
        found = forge.runners(REPO)
    assert {runner.name for runner in found} == {f"other-{group.id}-0", f"other-{group.id}-1"}
    assert {runner.place for runner in found} == {"acme (group gpu)"}


def test_an_unknown_group_is_answered_with_the_known_ones(world: GitHubWorld) -> None:
    """A typing error in the group's name shows what could have been meant."""
    world.add_group("acme", "gpu")
    with (
        forge_at(world, organization="acme", runner_group="gpus") as forge,
        pytest.raises(ConfigError, match="no runner group 'gpus'") as caught,
    ):
        forge.register(REPO, "rk-5-1", LABELS)
    assert "'Default', 'gpu'" in caught.value.hint


def test_another_owners_repository_cannot_be_served_by_a_group(world: GitHubWorld) -> None:
    """A repository outside the organisation is a mistake in the configuration, and nothing is asked."""
    with forge_at(world, **ORG) as forge, pytest.raises(ConfigError, match="cannot serve other/repo"):
        forge.runners("other/repo")
    assert world.calls == []


def test_threads_get_their_own_answers(world: GitHubWorld) -> None:
    """Many threads on one forge never see each other's answers."""
    crowd(world, 24)
    ids = [runner.id for runner in world.runners()]
    with forge_at(world) as forge, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: forge.runner(REPO, each), ids * 4))
    assert [runner and runner.id for runner in found] == ids * 4
