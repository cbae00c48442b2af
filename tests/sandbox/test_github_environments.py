import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused, WorldClock
from tests.sandbox.engine_ground import end, job, listen, one, seen, states
from tests.sandbox.github_world import REPO, call

WORKFLOW = """
on: [push, workflow_dispatch]
jobs:
  train:
    runs-on: box
    environment: {name: production, url: "https://example.com/${{ github.run_id }}"}
    steps: [{run: make}]
  report:
    needs: train
    runs-on: box
    steps: [{run: make}]
"""
PLACE = f"/repos/{REPO}/environments"


def pending(run_id: int) -> str:
    return f"/repos/{REPO}/actions/runs/{run_id}/pending_deployments"


def test_an_unknown_environment_is_made_and_holds_nothing_up(world: GitHubWorld, token: str) -> None:
    """As at GitHub: no rules, no waiting."""
    run = one(world, WORKFLOW)
    assert states(world, run) == {"train": "queued"}
    shown = call(world, "GET", PLACE, token=token).body
    assert [(each["name"], each["protection_rules"]) for each in shown["environments"]] == [("production", [])]
    assert job(world, run, "train").rules.environment_url == f"https://example.com/{run.id}"


def test_a_reviewer_lets_the_job_go_on(world: GitHubWorld, token: str) -> None:
    """Waiting, pending deployment, approval by the world, queued."""
    world.add_environment(REPO, "production", ["boss"])
    run = one(world, WORKFLOW)
    assert (states(world, run), seen(world, run)) == ({"train": "waiting"}, ("waiting", None))
    (told,) = call(world, "GET", pending(run.id), token=token).body
    assert (told["environment"]["name"], told["current_user_can_approve"]) == ("production", False)
    assert [each["reviewer"]["login"] for each in told["reviewers"]] == ["boss"]
    with pytest.raises(Refused, match="octocat is not a required reviewer"):
        world.approve(run, "production")
    world.approve(run, "production", "boss", comment="go")
    assert states(world, run) == {"train": "queued"}
    (said,) = call(world, "GET", f"/repos/{REPO}/actions/runs/{run.id}/approvals", token=token).body
    assert (said["state"], said["user"]["login"], said["comment"]) == ("approved", "boss", "go")
    assert said["environments"][0]["id"] == told["environment"]["id"]
    assert call(world, "GET", pending(run.id), token=token).body == []


@pytest.mark.parametrize(("verdict", "after"), [("approved", "queued"), ("rejected", "failure")])
def test_a_reviewer_answers_by_the_api(world: GitHubWorld, verdict: str, after: str) -> None:
    """Only a reviewer's token may; the answer is the deployment."""
    world.add_environment(REPO, "production", ["boss"])
    run = one(world, WORKFLOW)
    boss = world.add_token("fine-grained", login="boss")
    number = call(world, "GET", pending(run.id), token=boss).body[0]["environment"]["id"]
    body = {"environment_ids": [number], "state": verdict, "comment": "seen"}
    assert call(world, "POST", pending(run.id), body, world.add_token("fine-grained")).status == 422
    unknown = call(world, "POST", pending(run.id), body | {"environment_ids": [number + 1]}, boss)
    assert (unknown.status, f"{number} (production)" in unknown.body["message"]) == (422, True)
    (deployed,) = call(world, "POST", pending(run.id), body, boss).body
    assert (deployed["environment"], deployed["sha"]) == ("production", run.head_sha)
    assert states(world, run)["train"] == after
    assert call(world, "POST", pending(run.id), body, boss).status == 422


def test_a_rejected_job_says_who_rejected_it(world: GitHubWorld) -> None:
    """It fails, what needs it is skipped."""
    world.add_environment(REPO, "production", ["boss"])
    run = one(world, WORKFLOW)
    world.approve(run, "Production", "boss", state="rejected")
    assert states(world, run) == {"train": "failure", "report": "skipped"}
    assert job(world, run, "train").annotations == ["The deployment to production was rejected by boss."]
    assert seen(world, run) == ("completed", "failure")


def test_nobody_approves_a_run_of_their_own_where_that_is_ruled_out(world: GitHubWorld) -> None:
    """prevent_self_review counts who started this attempt."""
    world.add_environment(REPO, "production", ["octocat", "boss"], prevent_self_review=True)
    run = one(world, WORKFLOW)
    with pytest.raises(Refused):
        world.approve(run, "production", "octocat")
    world.approve(run, "production", "boss")
    assert states(world, run) == {"train": "queued"}


def test_a_timer_lets_the_job_go_on_by_itself(world: GitHubWorld, token: str, clock: WorldClock) -> None:
    """Minutes of the world's clock, and nobody to ask."""
    world.add_environment(REPO, "production", wait_timer=10)
    run = one(world, WORKFLOW)
    told = call(world, "GET", pending(run.id), token=token).body[0]
    assert (told["wait_timer"], told["wait_timer_started_at"] is not None) == (10, True)
    clock.advance(599)
    assert states(world, run) == {"train": "waiting"}
    with pytest.raises(Refused, match="No pending deployment requests"):
        world.approve(run, "production")
    clock.advance(2)
    assert states(world, run) == {"train": "queued"}


def test_an_approval_before_the_timer_ends_is_kept(world: GitHubWorld, clock: WorldClock) -> None:
    """Both rules must be met, in any order."""
    world.add_environment(REPO, "production", ["boss"], wait_timer=1)
    run = one(world, WORKFLOW)
    world.approve(run, "production", "boss")
    assert states(world, run) == {"train": "waiting"}
    clock.advance(61)
    assert states(world, run) == {"train": "queued"}


def test_a_repeated_job_needs_a_new_approval(world: GitHubWorld) -> None:
    """An approval is good for one attempt."""
    world.add_environment(REPO, "production", ["boss"])
    run = one(world, WORKFLOW)
    world.approve(run, "production", "boss")
    end(world, run, "train", "failure")
    world.rerun_failed(run)
    assert states(world, run) == {"train": "waiting"}


def test_a_waiting_job_can_be_cancelled(world: GitHubWorld, token: str) -> None:
    """Nothing is pending afterwards."""
    world.add_environment(REPO, "production", ["boss"])
    run = one(world, WORKFLOW)
    world.cancel_run(run)
    assert seen(world, run) == ("completed", "cancelled")
    assert call(world, "GET", pending(run.id), token=token).body == []


def test_environments_are_set_up_by_the_api(world: GitHubWorld, token: str) -> None:
    """Put, get, list, delete; what cannot be kept is refused."""
    boss = world.add_user("boss")
    rules = {"wait_timer": 5, "prevent_self_review": True, "reviewers": [{"type": "User", "id": boss.id}]}
    made = call(world, "PUT", f"{PLACE}/staging", rules, token)
    assert [each["type"] for each in made.body["protection_rules"]] == ["wait_timer", "required_reviewers"]
    assert call(world, "GET", f"{PLACE}/Staging", token=token).body == made.body
    assert call(world, "PUT", f"{PLACE}/staging", token=token).body["protection_rules"] == []
    policy = {"deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": False}}
    for wrong in ({"wait_timer": 43_201}, {"reviewers": [{"type": "User", "id": 999}]}, policy):
        assert call(world, "PUT", f"{PLACE}/staging", wrong, token).status == 422
    assert call(world, "DELETE", f"{PLACE}/staging", token=token).status == 204
    assert call(world, "GET", f"{PLACE}/staging", token=token).status == 404
    assert call(world, "GET", PLACE, token=token).body["total_count"] == 0


def test_who_reads_actions_cannot_change_environments(world: GitHubWorld) -> None:
    """Administration is needed to change them, deployments to approve."""
    reader = world.add_token("fine-grained", {"actions": "read"})
    assert call(world, "GET", PLACE, token=reader).status == 200
    assert call(world, "PUT", f"{PLACE}/x", token=reader).status == 403
    world.add_environment(REPO, "production", ["octocat"])
    run = one(world, WORKFLOW)
    body = {"environment_ids": [1], "state": "approved", "comment": ""}
    assert call(world, "POST", pending(run.id), body, reader).status == 403


def test_a_told_run_is_approved_by_the_api_too(world: GitHubWorld) -> None:
    """Its jobs stay with the test that told it."""
    run = world.add_run(REPO, [{"name": "train", "labels": ["gpu"], "status": "waiting"}])
    world.wait_for(run, "production")
    token = world.add_token("fine-grained")
    number = call(world, "GET", pending(run.id), token=token).body[0]["environment"]["id"]
    body = {"environment_ids": [number], "state": "approved", "comment": ""}
    assert call(world, "POST", pending(run.id), body, token).body == []
    assert call(world, "GET", pending(run.id), token=token).body == []
    assert [each.state for each in run.approvals] == ["approved"]
    assert states(world, run) == {"train": "waiting"}


def test_secrets_of_an_environment_reach_its_jobs_only(world: GitHubWorld) -> None:
    """They cover the repository's of the same name."""
    world.set_secret(REPO, "key", "of the repository")
    world.set_secret(REPO, "key", "of production", environment="production")
    run = one(world, WORKFLOW)
    first = listen(world, "box")
    assert first.message()["secrets"]["KEY"] == "of production"
    assert first.call("POST", "finish", {"conclusion": "success"}).status == 200
    assert states(world, run)["report"] == "queued"
    assert listen(world, "box", name="rk-2").message()["secrets"]["KEY"] == "of the repository"
