import base64
import json

import github
import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused, WorldClock, registrations
from tests.sandbox.github_world import REPO, RUNNERS, call, client, register

ORG_RUNNERS = "/orgs/acme/actions/runners"


def test_a_registration_has_exactly_the_labels_that_were_sent(world: GitHubWorld, token: str) -> None:
    """GitHub adds no default labels to a just-in-time runner."""
    reply = register(world, token, "rk-1", "self-hosted", "gpu=t4")
    assert reply.status == 201
    runner = reply.body["runner"]
    assert [each["name"] for each in runner["labels"]] == ["self-hosted", "gpu=t4"]
    assert (runner["status"], runner["busy"], runner["version"], runner["ephemeral"]) == ("offline", False, None, True)


def test_the_jit_configuration_has_the_three_files_of_a_runner(world: GitHubWorld, token: str) -> None:
    """A listener finds its id, its name and its work folder in the blob."""
    reply = register(world, token)
    packed = json.loads(base64.b64decode(reply.body["encoded_jit_config"]))
    assert set(packed) == {".runner", ".credentials", ".credentials_rsaparams"}
    settings = json.loads(base64.b64decode(packed[".runner"]))
    assert (settings["AgentName"], settings["Ephemeral"], settings["WorkFolder"]) == ("rk-1", "True", "_work")
    assert settings["AgentId"] == str(reply.body["runner"]["id"])


def test_a_name_is_taken_whatever_its_case(world: GitHubWorld, token: str) -> None:
    """The name is a lock, per level."""
    register(world, token, "rk-1")
    assert register(world, token, "RK-1").status == 409
    assert register(world, token, "rk-1", level=ORG_RUNNERS).status == 201


@pytest.mark.parametrize("name", ["", "x" * 65, "rk 1", "rk/1"])
def test_a_name_github_does_not_take_is_refused(world: GitHubWorld, token: str, name: str) -> None:
    """Names have 1 to 64 safe characters."""
    assert register(world, token, name).status == 422
    assert world.runners() == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "rk-1", "labels": ["gpu"]},
        {"name": "rk-1", "runner_group_id": "1", "labels": ["gpu"]},
        {"name": "rk-1", "runner_group_id": 1, "labels": []},
        {"name": "rk-1", "runner_group_id": 1, "labels": [f"l{number}" for number in range(101)]},
    ],
)
def test_a_request_against_the_description_is_refused_and_recorded(
    world: GitHubWorld, token: str, body: dict[str, object]
) -> None:
    """A group by text, no labels, too many labels: 422 before anything happens."""
    reply = call(world, "POST", f"{RUNNERS}/generate-jitconfig", body, token)
    assert reply.status == 422
    assert len(world.refused_requests) == 1
    assert world.runners() == []


def test_an_unknown_group_is_not_found(world: GitHubWorld, token: str) -> None:
    """Groups are ids of the organisation."""
    group = world.add_group("acme", "gpus")
    body = {"name": "rk-1", "runner_group_id": group.id, "labels": ["gpu"]}
    assert call(world, "POST", f"{ORG_RUNNERS}/generate-jitconfig", body, token).status == 201
    assert call(world, "POST", f"{RUNNERS}/generate-jitconfig", body, token).status == 404
    body |= {"name": "rk-2", "runner_group_id": group.id + 1}
    assert call(world, "POST", f"{ORG_RUNNERS}/generate-jitconfig", body, token).status == 404


def test_pygithub_registers_lists_and_removes_runners(world: GitHubWorld, token: str) -> None:
    """The real client follows our URLs, with and without the prefix of GitHub Enterprise Server."""
    for prefix in ("", "/api/v3"):
        with client(world, token, prefix) as caller:
            organization = caller.get_organization("acme")
            made = organization.create_self_hosted_runner_jitconfig("rk-9", 1, ["gpu"])
            assert made.runner.name == "rk-9"
            assert [each.id for each in organization.get_self_hosted_runners(name="rk-9")] == [made.runner.id]
            organization.delete_self_hosted_runner(made.runner.id)
            assert organization.get_self_hosted_runners().totalCount == 0
            assert {each.os for each in organization.get_self_hosted_runner_applications()} == {"osx", "linux", "win"}
            assert organization.create_self_hosted_runner_registration_token().token
            assert caller.get_repo(REPO).get_self_hosted_runners().totalCount == 0


def test_lists_come_in_pages_with_links(world: GitHubWorld, token: str) -> None:
    """A Link header leads through the pages and nowhere beyond the last."""
    for number in range(5):
        register(world, token, f"rk-{number}")
    first = call(world, "GET", f"{RUNNERS}?per_page=2", token=token)
    assert first.body["total_count"] == 5
    assert f'<{world.url}{RUNNERS}?per_page=2&page=2>; rel="next"' in first.headers["link"]
    assert f'<{world.url}{RUNNERS}?per_page=2&page=3>; rel="last"' in first.headers["link"]
    last = call(world, "GET", f"{RUNNERS}?per_page=2&page=3", token=token)
    assert len(last.body["runners"]) == 1
    assert 'rel="next"' not in last.headers["link"]
    with client(world, token, per_page=2) as caller:
        assert [each.name for each in caller.get_repo(REPO).get_self_hosted_runners()] == [
            f"rk-{number}" for number in range(5)
        ]


def test_a_page_holds_a_hundred_at_most(world: GitHubWorld, token: str) -> None:
    """Whatever is asked for; no size at all is thirty."""
    with world.state.open():
        for number in range(101):
            registrations.register(world.state, f"repos/{REPO}", f"rk-{number}", 1, ["gpu"], "_work")
    for asked, got in (("?per_page=500", 100), ("?per_page=101&page=2", 1), ("?per_page=0", 1), ("", 30)):
        reply = call(world, "GET", f"{RUNNERS}{asked}", token=token)
        assert (asked, len(reply.body["runners"]), reply.body["total_count"]) == (asked, got, 101)


def test_a_busy_runner_cannot_be_deleted_and_an_idle_one_can(world: GitHubWorld, token: str) -> None:
    """Deregistering is the lock before termination."""
    made = register(world, token)
    job = world.queue_job(REPO, ["GPU"])
    runner = world.runner_connects(made.body["encoded_jit_config"])
    reply = call(world, "DELETE", f"{RUNNERS}/{runner.id}", token=token)
    assert reply.status == 422
    assert "is currently running a job and cannot be deleted" in reply.body["message"]
    assert job.runner_name == "rk-1"
    idle = register(world, token, "rk-2").body["runner"]["id"]
    assert call(world, "DELETE", f"{RUNNERS}/{idle}", token=token).status == 204
    assert call(world, "DELETE", f"{RUNNERS}/{idle}", token=token).status == 404


def test_a_runner_takes_one_job_with_all_labels_and_is_gone(world: GitHubWorld, token: str) -> None:
    """Jobs go to runners that carry all their labels; an ephemeral runner is deregistered after its job."""
    other = world.queue_job(REPO, ["gpu", "big"])
    job = world.queue_job(REPO, ["gpu"])
    runner = world.runner_connects(register(world, token, "rk-1", "gpu", "x64").body["encoded_jit_config"])
    assert (other.status, job.status, job.runner_id) == ("queued", "in_progress", runner.id)
    seen = call(world, "GET", f"{RUNNERS}/{runner.id}", token=token).body
    assert (seen["status"], seen["busy"], seen["version"]) == ("online", True, "2.336.0")
    world.finish_job(job)
    assert call(world, "GET", f"{RUNNERS}/{runner.id}", token=token).status == 404


def test_an_organisations_runner_serves_only_repositories_of_its_group(world: GitHubWorld, token: str) -> None:
    """Public repositories and those outside a selected group get nothing."""
    world.add_repository("acme/open", private=False)
    world.add_repository("acme/other")
    group = world.add_group("acme", "gpus", visibility="selected", repositories=[REPO])
    strangers = [world.queue_job(name, ["gpu"]) for name in ("acme/open", "acme/other")]
    job = world.queue_job(REPO, ["gpu"], head_branch="dev")
    body = {"name": "rk-1", "runner_group_id": group.id, "labels": ["gpu"]}
    made = call(world, "POST", f"{ORG_RUNNERS}/generate-jitconfig", body, token)
    world.runner_connects(made.body["encoded_jit_config"])
    assert [each.status for each in strangers] == ["queued", "queued"]
    assert (job.status, job.runner_group_name) == ("in_progress", "gpus")


def test_a_group_is_closed_to_public_repositories_until_opened(world: GitHubWorld, token: str) -> None:
    """Even a group that all repositories see takes no public repository's job by default."""
    world.add_repository("acme/open", private=False)
    job = world.queue_job("acme/open", ["gpu"])
    for name, allows in (("closed", False), ("opened", True)):
        group = world.add_group("acme", name, allows_public=allows)
        body = {"name": f"rk-{name}", "runner_group_id": group.id, "labels": ["gpu"]}
        made = call(world, "POST", f"{ORG_RUNNERS}/generate-jitconfig", body, token)
        world.runner_connects(made.body["encoded_jit_config"])
        assert (job.status == "in_progress") == allows


def test_a_lost_runner_is_busy_until_the_lease_runs_out(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """For ten minutes a dead machine's runner cannot be deleted; then its job fails with GitHub's words."""
    job = world.queue_job(REPO, ["gpu"])
    runner = world.runner_connects(register(world, token).body["encoded_jit_config"])
    world.lose_runner(runner.id)
    clock.advance(599)
    seen = call(world, "GET", f"{RUNNERS}/{runner.id}", token=token).body
    assert (seen["status"], seen["busy"]) == ("offline", True)
    assert call(world, "DELETE", f"{RUNNERS}/{runner.id}", token=token).status == 422
    assert register(world, token).status == 409
    clock.advance(1)
    assert call(world, "DELETE", f"{RUNNERS}/{runner.id}", token=token).status == 204
    assert (job.status, job.conclusion) == ("completed", "failure")
    notes = call(world, "GET", f"/repos/{REPO}/check-runs/{job.id}/annotations", token=token).body
    assert "lost communication with the server" in notes[0]["message"]


def test_an_idle_registration_may_vanish(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """By the clock or by script, its blob is worthless afterwards."""
    world.options.idle_vanish = 240
    blob = register(world, token).body["encoded_jit_config"]
    world.runner_connects(blob)
    clock.advance(240)
    assert world.runners() == []
    with pytest.raises(Refused, match="registration has been deleted"):
        world.runner_connects(blob)
    second = register(world, token).body["runner"]["id"]
    world.vanish_runner(second)
    assert call(world, "GET", f"{RUNNERS}/{second}", token=token).status == 404


def test_a_registration_that_never_connects_is_dropped_after_a_day(
    world: GitHubWorld, token: str, clock: WorldClock
) -> None:
    """GitHub removes ephemeral runners that are offline for more than a day."""
    register(world, token)
    clock.advance(24 * 3600 - 60)
    assert len(world.runners()) == 1
    clock.advance(60)
    assert world.runners() == []


def test_a_forged_blob_does_not_connect(world: GitHubWorld, token: str) -> None:
    """The client id in the blob is the secret."""
    blob = register(world, token).body["encoded_jit_config"]
    packed = json.loads(base64.b64decode(blob))
    packed[".credentials"] = base64.b64encode(b'{"Data": {"ClientId": "guessed"}}').decode()
    with pytest.raises(Refused, match="deleted"):
        world.runner_connects(base64.b64encode(json.dumps(packed).encode()).decode())
    with pytest.raises(Refused, match="cannot be read"):
        world.runner_connects("no base64!")


def test_pygithub_sees_the_conflict(world: GitHubWorld, token: str) -> None:
    """A 409 comes through the real client as what it is."""
    register(world, token)
    body = {"name": "rk-1", "runner_group_id": 1, "labels": ["gpu"]}
    with client(world, token) as caller, pytest.raises(github.GithubException) as caught:
        caller.requester.requestJsonAndCheck("POST", f"{RUNNERS}/generate-jitconfig", input=body)
    assert caught.value.status == 409


def test_groups_are_listed_by_visibility(world: GitHubWorld, token: str) -> None:
    """A group's list of repositories belongs to a selected one."""
    world.add_repository("acme/other")
    group = world.add_group("acme", "gpus", visibility="selected", repositories=[REPO])
    path = "/orgs/acme/actions/runner-groups"
    seen = call(world, "GET", f"{path}?visible_to_repository=other", token=token).body
    assert [each["name"] for each in seen["runner_groups"]] == ["Default"]
    assert call(world, "GET", f"{path}/{group.id}", token=token).body["visibility"] == "selected"
    listed = call(world, "GET", f"{path}/{group.id}/repositories", token=token).body["repositories"]
    assert [each["full_name"] for each in listed] == [REPO]
    assert call(world, "GET", f"{path}/99", token=token).status == 404
