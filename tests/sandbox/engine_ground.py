"""Workflows at the local GitHub, and listeners that speak to it as plainly as can be."""

import textwrap
from dataclasses import dataclass
from typing import Any

from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.records import Job, Run
from tests.sandbox.github_world import REPO, Reply, call, register

FOLDER = ".github/workflows"
SESSIONS = "/_runnerkit/sessions"
BOX = "runs-on: [box]\n    steps: [{run: make}]"


def push(world: GitHubWorld, text: str, name: str = "train.yml", **more: str) -> list[Run]:
    """Push a workflow file and give the runs that this started, oldest first."""
    before = {each.id for each in world.runs(REPO)}
    world.push(REPO, {f"{FOLDER}/{name}": textwrap.dedent(text)}, **more)
    return [each for each in reversed(world.runs(REPO)) if each.id not in before]


def one(world: GitHubWorld, text: str, **more: str) -> Run:
    """Push a workflow file and give the run of it that this started."""
    started = push(world, text, **more)
    (run,) = [each for each in started if each.path == f"{FOLDER}/{more.get('name', 'train.yml')}"]
    return run


def states(world: GitHubWorld, run: Run) -> dict[str, str]:
    """Say of each job of the latest attempt how it ended, or else where it is."""
    return {each.name: each.conclusion or each.status for each in world.jobs(run)}


def job(world: GitHubWorld, run: Run, name: str) -> Job:
    """Give a job of the latest attempt."""
    return next(each for each in world.jobs(run) if each.name == name)


def end(world: GitHubWorld, run: Run, name: str, conclusion: str = "success", **outputs: str) -> None:
    """Complete a job with outputs."""
    found = job(world, run, name)
    found.outputs = outputs
    world.finish_job(found, conclusion)


def seen(world: GitHubWorld, run: Run) -> tuple[str, str | None]:
    """Say what the API tells of a run: status and conclusion."""
    body = call(world, "GET", f"/repos/{REPO}/actions/runs/{run.id}", token=world.add_token("fine-grained")).body
    return body["status"], body["conclusion"]


@dataclass(frozen=True)
class Listener:
    """A machine's side of a session."""

    world: GitHubWorld
    session: str

    def call(self, method: str, what: str, body: object = None) -> Reply:
        """Say something below the session."""
        return call(self.world, method, f"{self.session}/{what}", body)

    def message(self) -> dict[str, Any]:
        """Take the job."""
        answer = self.call("GET", "job?wait=5")
        assert answer.status == 200, answer
        return dict(answer.body)


def connect(world: GitHubWorld, blob: str) -> Listener:
    """Connect with a JIT configuration."""
    made = call(world, "POST", SESSIONS, {"jit_config": blob})
    assert made.status == 201, made
    return Listener(world, f"{SESSIONS}/{made.body['session']}")


def listen(world: GitHubWorld, *labels: str, name: str = "rk-1") -> Listener:
    """Register a runner and connect."""
    return connect(world, register(world, world.add_token("fine-grained"), name, *labels).body["encoded_jit_config"])
