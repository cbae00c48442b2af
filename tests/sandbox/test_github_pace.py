import json
import time
from datetime import UTC, datetime
from threading import Thread

from runnerkit.sandbox.github import GitHubWorld, jobs
from runnerkit.sandbox.github.description import Asked, Description
from runnerkit.sandbox.github.records import Job
from runnerkit.sandbox.github.web import livelog
from runnerkit.sandbox.github.web.views.jobs import job_view
from tests.sandbox.engine_ground import BOX, FOLDER, Listener, listen
from tests.sandbox.github_world import REPO, call


def count_looks(world: GitHubWorld) -> list[float]:
    looks: list[float] = []
    world.state.watchers.append(lambda: looks.append(time.monotonic()))
    return looks


def test_listeners_that_wait_share_one_look_at_the_world(world: GitHubWorld) -> None:
    """Eight waiting machines look at the world about as often as one; each look costs more the more jobs there are."""
    listeners = [listen(world, f"box-{place}", name=f"rk-{place}") for place in range(8)]
    waiting = [Thread(target=_wait, args=(each,)) for each in listeners]
    looks = count_looks(world)
    for each in waiting:
        each.start()
    for each in waiting:
        each.join(10)
    # Two looks begin and end each call, and the pauses between ten of a second's looks are shared.
    assert len(looks) <= 3 * len(listeners) + 12


def _wait(listener: Listener) -> None:
    assert listener.call("GET", "job?wait=1").status == 202


def test_who_only_reads_looks_once(world: GitHubWorld) -> None:
    """What time brought about happens before; a reader leaves nothing behind that must be followed up."""
    looks = count_looks(world)
    with world.state.open(reading=True):
        assert len(looks) == 1
    assert len(looks) == 1


def test_a_long_log_grows_without_being_copied() -> None:
    """Four times the lines take about four times the time; copies of the whole for each line would take far longer."""
    few, many = (_time_of(lines) for lines in (5_000, 20_000))
    assert many < 12 * few


def _time_of(lines: int) -> float:
    now = datetime.now(UTC)
    job = Job(1, 1, REPO, 1, "train", (), now, queued_at=now)
    began = time.process_time()
    for _ in range(lines):
        jobs.append_log(job, 1, "x" * 200 + "\n")
    assert len(job.log) == len(job.step_logs[1]) == lines * 201
    return time.process_time() - began


def test_sessions_of_runners_that_are_gone_are_forgotten(world: GitHubWorld) -> None:
    """Every machine has one; a world that lives long must not keep them."""
    listener = listen(world, "box")
    world.push(REPO, {f"{FOLDER}/train.yml": f"on: push\njobs:\n  train:\n    {BOX}\n"})
    listener.message()
    assert listener.call("POST", "finish", {"conclusion": "success"}).status == 200
    world.runners()
    assert world.service.machines.sessions == 0


def test_a_page_that_has_the_whole_log_costs_little(world: GitHubWorld) -> None:
    """Browsers ask every second; a long log that has not grown is not laid out again."""
    job = world.queue_job(REPO, ["box"])
    jobs.append_log(job, 1, "2026-11-22T01:02:03.1234567Z epoch\n" * 20_000)
    view = job_view(world.state, "acme", "train", job.run_id, job.id)
    spent = []
    for have in (0, 20_000):
        began = time.process_time()
        livelog.news(view, {1: have})
        spent.append(time.process_time() - began)
    assert spent[1] < spent[0] / 5


RUNS = "/repos/{owner}/{repo}/actions/runs"


def answer(world: GitHubWorld, token: str, **wrong: object) -> bytes:
    """Give a long list of runs as it was answered; ``wrong`` replaces fields of the last."""
    body = call(world, "GET", f"/repos/{REPO}/actions/runs?per_page=100", token=token).body
    body["workflow_runs"][-1].update(wrong)
    return json.dumps(body).encode()


def test_a_long_list_is_judged_anew_only_where_it_changed(world: GitHubWorld, token: str) -> None:
    """Every element is judged, the same one once: a poller's list costs what changed in it."""
    for _ in range(30):
        world.queue_job(REPO, ["box"])
    asked, judge, spent = Asked("GET", RUNS, RUNS), Description(), []
    for title in ("one", "two"):
        data = answer(world, token, display_title=title)
        began = time.process_time()
        assert judge.answer_problems(asked, 200, data) == ()
        spent.append(time.process_time() - began)
    assert spent[1] < spent[0] / 3
    for _ in range(2):
        (problem,) = judge.answer_problems(asked, 200, answer(world, token, run_number="7"))
        assert "run_number: '7' is not of type 'integer'" in problem
