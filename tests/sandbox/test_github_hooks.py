import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from runnerkit.sandbox.github import GitHubWorld, Refused
from runnerkit.sandbox.github.records import Hook
from tests.sandbox.github_world import REPO, acme, call, client, register
from tests.sandbox.hook_receiver import Receiver, whats

HOOKS = f"/repos/{REPO}/hooks"
SECRET = "not for production"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    with acme() as world:
        yield world


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def hook(world: GitHubWorld, receiver: Receiver) -> Hook:
    return world.add_hook(REPO, receiver.url, secret=SECRET)


def test_a_hook_by_a_client(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """Made with a ping, listed, edited, pinged again and deleted by the library people use."""
    with client(world, token) as caller:
        repo = caller.get_repo(REPO)
        config = {"url": receiver.url, "content_type": "json", "secret": SECRET}
        made = repo.create_hook("web", config, ["push", "workflow_job"], active=True)
        ping = receiver.next()
        assert (ping.event, ping.payload["hook_id"], ping.payload["hook"]["id"]) == ("ping", made.id, made.id)
        assert ping.payload["zen"]
        assert [each.id for each in repo.get_hooks()] == [made.id]
        made.edit("web", config, add_events=["issue_comment"], remove_events=["push"])
        assert repo.get_hook(made.id).events == ["workflow_job", "issue_comment"]
        made.ping()
        assert receiver.next().event == "ping"
        assert world.await_webhooks()
        assert repo.get_hook(made.id).last_response.code == 200
        made.delete()
        assert list(repo.get_hooks()) == []
    assert SECRET not in json.dumps(call(world, "GET", HOOKS, token=token).body)


def test_a_delivery_is_signed_and_says_what_it_is(world: GitHubWorld, receiver: Receiver, hook: Hook) -> None:
    """GitHub's headers; the signature is over the body as it came."""
    world.push(REPO, {"train.py": "print(1)\n"})
    got = receiver.next()
    expected = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-hub-signature-256"] == f"sha256={expected}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("GitHub-Hookshot/")
    assert got.headers["x-github-hook-id"] == str(hook.id)
    assert got.headers["x-github-hook-installation-target-type"] == "repository"
    assert got.headers["x-github-hook-installation-target-id"] == str(got.payload["repository"]["id"])
    assert (got.event, got.payload["ref"]) == ("push", "refs/heads/main")
    assert got.payload["repository"]["full_name"] == REPO


def test_a_form_carries_the_payload_in_a_field(world: GitHubWorld, receiver: Receiver) -> None:
    """The other content type; its signature is over the form, and without a secret there is none."""
    world.add_hook(REPO, receiver.url, ["push"], content_type="form", secret=SECRET)
    world.add_hook(REPO, receiver.url + "&plain", ["push"])
    world.push(REPO, {"train.py": "print(1)\n"})
    form, plain = receiver.next(), receiver.next()
    assert json.loads(parse_qs(form.body.decode())["payload"][0]) == plain.payload
    expected = hmac.new(SECRET.encode(), form.body, hashlib.sha256).hexdigest()
    assert form.headers["x-hub-signature-256"] == f"sha256={expected}"
    assert "x-hub-signature-256" not in plain.headers


@pytest.mark.usefixtures("hook")
def test_a_job_is_told_from_queue_to_end(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """Runs and jobs in GitHub's order; while a job is queued nothing is said of a runner."""
    job = world.queue_job(REPO, ["gpu"])
    assert whats(receiver.all(world)) == [("workflow_run", "requested"), ("workflow_job", "queued")]
    runner = register(world, token, "rk-1", "gpu").body["runner"]["id"]
    world.runner_connects(runner)
    started = receiver.all(world)
    assert whats(started) == [("workflow_job", "in_progress"), ("workflow_run", "in_progress")]
    world.finish_job(job)
    ended = receiver.all(world)
    assert whats(ended) == [("workflow_job", "completed"), ("workflow_run", "completed")]
    shown = ended[0].payload["workflow_job"]
    assert (shown["id"], shown["conclusion"], shown["runner_name"]) == (job.id, "success", "rk-1")
    assert shown == call(world, "GET", f"/repos/{REPO}/actions/jobs/{job.id}", token=token).body
    assert ended[1].payload["workflow_run"]["conclusion"] == "success"
    assert ended[1].payload["workflow"]["name"] == "train"
    assert {each.payload["organization"]["login"] for each in started + ended} == {"acme"}
    assert {each.payload["sender"]["login"] for each in started + ended} == {"octocat"}


@pytest.mark.usefixtures("hook")
def test_a_job_that_starts_at_once_was_queued_all_the_same(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """A waiting runner takes it in the same moment; still both events come, the first without a runner."""
    world.runner_connects(register(world, token, "rk-1", "gpu").body["runner"]["id"])
    world.queue_job(REPO, ["gpu"])
    jobs = [each for each in receiver.all(world) if each.event == "workflow_job"]
    assert whats(jobs) == [("workflow_job", "queued"), ("workflow_job", "in_progress")]
    queued, running = (each.payload["workflow_job"] for each in jobs)
    assert (queued["status"], queued["runner_id"], queued["runner_name"]) == ("queued", None, None)
    assert (running["status"], running["runner_name"]) == ("in_progress", "rk-1")


@pytest.mark.usefixtures("hook")
def test_a_job_cancelled_in_the_queue_never_ran(world: GitHubWorld, receiver: Receiver) -> None:
    """Completed follows queued, without a runner."""
    run = world.add_run(REPO, [{"name": "train", "labels": ["gpu"]}])
    world.cancel_run(run)
    jobs = [each for each in receiver.all(world) if each.event == "workflow_job"]
    assert whats(jobs) == [("workflow_job", "queued"), ("workflow_job", "completed")]
    assert jobs[1].payload["workflow_job"]["conclusion"] == "cancelled"
    assert jobs[1].payload["workflow_job"]["runner_id"] is None


@pytest.mark.usefixtures("hook")
def test_a_gated_job_is_told_queued_twice(world: GitHubWorld, receiver: Receiver) -> None:
    """Of a job that waits for approval GitHub says queued, waiting, and queued again; only the last is true."""
    run = world.add_run(REPO, [{"name": "deploy", "labels": ["gpu"], "status": "waiting"}])
    world.release_job(world.jobs(run)[0])
    jobs = [each for each in receiver.all(world) if each.event == "workflow_job"]
    assert [(each.payload["action"], each.payload["workflow_job"]["status"]) for each in jobs] == [
        ("queued", "waiting"),
        ("waiting", "waiting"),
        ("queued", "queued"),
    ]


@pytest.mark.usefixtures("hook")
def test_a_rerun_is_requested_anew(world: GitHubWorld, receiver: Receiver) -> None:
    """The same run, the next attempt."""
    job = world.queue_job(REPO, ["gpu"])
    world.finish_job(job, "failure")
    receiver.all(world)
    world.rerun_failed(world.state.live.runs[job.run_id])
    again = receiver.all(world)
    assert whats(again) == [("workflow_run", "requested"), ("workflow_job", "queued")]
    assert again[0].payload["workflow_run"]["run_attempt"] == 2
    assert again[1].payload["workflow_job"]["id"] != job.id


def test_a_hook_hears_nothing_of_before(world: GitHubWorld, receiver: Receiver) -> None:
    """What was queued when the hook was made is not told; what becomes of it is."""
    job = world.queue_job(REPO, ["gpu"])
    world.add_hook(REPO, receiver.url, ["workflow_job"])
    world.finish_job(job)
    assert whats(receiver.all(world)) == [("workflow_job", "completed")]


def test_hooks_hear_only_what_they_asked_for(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """By event, by repository, by organisation, and not at all while inactive."""
    world.add_repository("acme/other")
    world.add_repository("octocat/own")
    world.add_hook(REPO, f"{receiver.url}&repo", ["issue_comment"])
    whole = world.add_hook("acme", f"{receiver.url}&org", ["push"])
    quiet = world.add_hook(REPO, f"{receiver.url}&quiet")
    call(world, "PATCH", f"{HOOKS}/{quiet.id}", {"active": False}, token)
    for name in (REPO, "acme/other", "octocat/own"):
        world.push(name, {"a": "b"})
    found = receiver.all(world)
    assert [each.payload["repository"]["full_name"] for each in found] == [REPO, "acme/other"]
    assert {each.headers["x-github-hook-id"] for each in found} == {str(whole.id)}
    assert found[0].headers["x-github-hook-installation-target-type"] == "organization"
    world.add_issue(REPO)
    call(world, "POST", f"/repos/{REPO}/issues/1/comments", {"body": "/train"}, token)
    assert whats(receiver.all(world)) == [("issue_comment", "created")]


@pytest.mark.usefixtures("hook")
def test_pull_requests_are_told(world: GitHubWorld, receiver: Receiver) -> None:
    """Opened and synchronized, with the numbers consumers read."""
    world.push(REPO, {"train.py": "print(1)\n"})
    world.push(REPO, {"train.py": "print(2)\n"}, branch="longer")
    world.open_pull_request(REPO, head="longer", title="Longer")
    sha = world.push(REPO, {"train.py": "print(3)\n"}, branch="longer")
    found = [each for each in receiver.all(world) if each.event == "pull_request"]
    assert [each.payload["action"] for each in found] == ["opened", "synchronize"]
    assert (found[1].payload["number"], found[1].payload["pull_request"]["head"]["sha"]) == (1, sha)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "https://127.0.0.1/hook",
        "http://127.0.0.1.example.com/",
        "http://user@example.com@10.0.0.1/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "",
    ],
)
def test_nothing_is_delivered_beyond_this_machine(world: GitHubWorld, token: str, url: str) -> None:
    """Such an address is refused when the hook is made or changed, with what to do instead."""
    refused = call(world, "POST", HOOKS, {"config": {"url": url}}, token)
    assert refused.status == 422
    assert "127.0.0.1" in refused.body["message"] or not url
    made = world.add_hook(REPO, "http://localhost:9/hook")
    assert call(world, "PATCH", f"{HOOKS}/{made.id}", {"config": {"url": url}}, token).status == 422
    assert made.url == "http://localhost:9/hook"


def test_what_a_hook_is_refused_for(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """Unknown events and formats, a twin, another name, a missing permission."""
    config = {"url": receiver.url, "content_type": "json"}
    for body in (
        {"config": config, "events": ["pushed"]},
        {"config": config, "events": []},
        {"config": config | {"content_type": "xml"}},
        {"config": config, "name": "mail"},
    ):
        assert call(world, "POST", HOOKS, body, token).status == 422
    assert call(world, "POST", HOOKS, {"config": config}, token).status == 201
    assert call(world, "POST", HOOKS, {"config": config}, token).status == 422
    with pytest.raises(Refused, match="pushed"):
        world.add_hook(REPO, receiver.url, ["pushed"])
    weak = world.add_token("fine-grained", {"contents": "write"})
    assert call(world, "POST", HOOKS, {"config": config, "events": ["issues"]}, weak).status == 403
    assert call(world, "GET", HOOKS, token=world.add_token("actions")).status == 403
    world.add_repository("acme/open", private=False)
    assert call(world, "GET", "/repos/acme/open/hooks").status == 401


def test_deliveries_are_listed_and_delivered_again(
    world: GitHubWorld, receiver: Receiver, hook: Hook, token: str
) -> None:
    """A failed delivery is not repeated by itself; on request it comes under the same GUID."""
    receiver.status = 503
    world.push(REPO, {"train.py": "print(1)\n"})
    first = receiver.all(world)
    assert len(first) == 1
    place = f"{HOOKS}/{hook.id}/deliveries"
    (failed,) = call(world, "GET", f"{place}?status=failure", token=token).body
    assert (failed["status_code"], failed["event"], failed["redelivery"]) == (503, "push", False)
    shown = call(world, "GET", f"{place}/{failed['id']}", token=token).body
    assert shown["request"]["payload"] == first[0].payload
    assert shown["request"]["headers"]["X-GitHub-Delivery"] == failed["guid"]
    assert shown["response"]["payload"] == "thanks"
    receiver.status = 200
    assert call(world, "POST", f"{place}/{failed['id']}/attempts", token=token).status == 202
    (again,) = receiver.all(world)
    assert again.headers["x-github-delivery"] == first[0].headers["x-github-delivery"]
    assert again.body == first[0].body
    listed = call(world, "GET", place, token=token).body
    assert [(each["redelivery"], each["status"]) for each in listed] == [(True, "OK"), (False, "Service Unavailable")]
    assert call(world, "GET", f"{place}/999", token=token).status == 404


def test_deliveries_come_in_pages(world: GitHubWorld, hook: Hook, token: str) -> None:
    """A cursor in the link leads on, until everything was shown once."""
    for number in range(5):
        world.push(REPO, {"n": str(number)})
    path: str | None = f"{HOOKS}/{hook.id}/deliveries?per_page=2"
    seen: list[int] = []
    for _ in range(5):
        if path is None:
            break
        page = call(world, "GET", path, token=token)
        seen += [each["id"] for each in page.body]
        path = page.headers["link"].partition(">")[0].strip("<") if "link" in page.headers else None
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


def test_a_receiver_that_is_not_there(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """The delivery says that nobody answered; the world goes on."""
    hook = world.add_hook(REPO, receiver.url)
    receiver.close()
    world.push(REPO, {"a": "b"})
    assert world.await_webhooks()
    (found,) = call(world, "GET", f"{HOOKS}/{hook.id}/deliveries", token=token).body
    assert (found["status_code"], found["status"]) == (0, "failed to connect to host")


def test_lost_webhooks_can_be_asked_for(world: GitHubWorld, receiver: Receiver, hook: Hook, token: str) -> None:
    """The next ones do not arrive; the list shows them as failed, and a redelivery brings them."""
    world.lose_webhooks(1)
    world.push(REPO, {"a": "1"})
    world.push(REPO, {"a": "2"})
    (second,) = receiver.all(world)
    lost, _ = world.deliveries(hook)
    place = f"{HOOKS}/{hook.id}/deliveries"
    assert [each["id"] for each in call(world, "GET", f"{place}?status=failure", token=token).body] == [lost.id]
    call(world, "POST", f"{place}/{lost.id}/attempts", token=token)
    (late,) = receiver.all(world)
    assert late.payload["after"] == second.payload["before"]


@pytest.mark.usefixtures("hook")
def test_doubled_webhooks_keep_their_guid(world: GitHubWorld, receiver: Receiver) -> None:
    """The same delivery twice, byte for byte."""
    world.double_webhooks(1)
    world.push(REPO, {"a": "1"})
    world.push(REPO, {"a": "2"})
    one, same, other = receiver.all(world)
    assert one.headers["x-github-delivery"] == same.headers["x-github-delivery"]
    assert one.body == same.body
    assert other.headers["x-github-delivery"] != one.headers["x-github-delivery"]


@pytest.mark.usefixtures("hook")
def test_webhooks_come_out_of_order(world: GitHubWorld, receiver: Receiver) -> None:
    """Completed before queued, as it happens."""
    world.turn_webhooks(4)
    job = world.queue_job(REPO, ["gpu"])
    world.finish_job(job, "failure")
    assert whats(receiver.all(world)) == [
        ("workflow_run", "completed"),
        ("workflow_job", "completed"),
        ("workflow_job", "queued"),
        ("workflow_run", "requested"),
    ]
    world.push(REPO, {"a": "1"})
    assert receiver.next().event == "push"


@pytest.mark.usefixtures("hook")
def test_late_webhooks_and_good_times_again(world: GitHubWorld, receiver: Receiver) -> None:
    """Delayed ones come later than what is sent after the trouble is over; held ones are let go."""
    world.delay_webhooks(1)
    began = time.monotonic()
    world.push(REPO, {"a": "1"})
    world.clear_faults()
    world.push(REPO, {"a": "2"})
    first, second = receiver.next(), receiver.next()
    assert first.payload["before"] == second.payload["after"]
    assert time.monotonic() - began >= 1
    world.turn_webhooks(9)
    world.push(REPO, {"a": "3"})
    world.clear_faults()
    assert receiver.next().event == "push"


def test_closing_does_not_wait_for_a_slow_receiver(receiver: Receiver) -> None:
    """A delivery under way is cut off, those in the queue are dropped."""
    receiver.gate.clear()
    with GitHubWorld() as world:
        world.add_repository(REPO)
        world.add_hook(REPO, receiver.url)
        world.push(REPO, {"a": "1"})
        world.push(REPO, {"a": "2"})
        receiver.next()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert receiver.got.empty()
    assert "webhooks" not in {each.name for each in threading.enumerate()}


@pytest.mark.usefixtures("hook")
def test_a_slow_receiver_does_not_stop_the_world(world: GitHubWorld, receiver: Receiver) -> None:
    """While a delivery hangs, the API answers and things happen."""
    receiver.gate.clear()
    world.push(REPO, {"a": "1"})
    receiver.next()
    assert call(world, "GET", f"/repos/{REPO}", token=world.add_token("fine-grained")).status == 200
    world.push(REPO, {"a": "2"})
    receiver.gate.set()
    assert receiver.next().event == "push"


def test_a_hook_is_tested_with_the_latest_push(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """GitHub's button; it triggers nothing."""
    sha = world.push(REPO, {"a": "1"})
    hook = world.add_hook(REPO, receiver.url, ["push"])
    world.state.triggers[:] = [lambda _: pytest.fail("a test triggers no workflow")]
    assert call(world, "POST", f"{HOOKS}/{hook.id}/tests", token=token).status == 204
    assert receiver.next().payload["after"] == sha


def test_an_organisation_has_hooks_too(world: GitHubWorld, receiver: Receiver, token: str) -> None:
    """The same operations one level up, for those who may."""
    config = {"url": receiver.url, "content_type": "json"}
    made = call(world, "POST", "/orgs/acme/hooks", {"name": "web", "config": config}, token)
    assert made.status == 201
    place = f"/orgs/acme/hooks/{made.body['id']}"
    assert receiver.next().event == "ping"
    assert call(world, "POST", f"{place}/pings", token=token).status == 204
    assert receiver.next().event == "ping"
    assert world.await_webhooks()
    listed = call(world, "GET", f"{place}/deliveries", token=token).body
    assert [each["repository_id"] for each in listed] == [None, None]
    assert call(world, "GET", f"{place}/deliveries/{listed[0]['id']}", token=token).status == 200
    assert call(world, "GET", f"{HOOKS}/{made.body['id']}", token=token).status == 404
    assert call(world, "GET", place, token=world.add_token("classic", scopes=["repo"])).status == 403
    assert call(world, "DELETE", place, token=token).status == 204
    assert call(world, "GET", "/orgs/acme/hooks", token=token).body == []
