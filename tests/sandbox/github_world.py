"""A small organisation at the local GitHub, and callers of it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any

import github
from github import Auth

from runnerkit.sandbox.github import GitHubWorld, WorldClock

REPO = "acme/train"
RUNNERS = f"/repos/{REPO}/actions/runners"


@contextmanager
def acme(clock: WorldClock | None = None) -> Iterator[GitHubWorld]:
    """Serve an organisation with one private repository; at the end nothing may have broken the description."""
    with GitHubWorld(clock) as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        yield world
    assert world.violations == []


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: Any


def call(
    world: GitHubWorld,
    method: str,
    path: str,
    body: object = None,
    token: str | None = None,
    **headers: str,
) -> Reply:
    """Call the service as plainly as can be; header names are written with underscores."""
    data = None if body is None else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    url = path if path.startswith("http") else world.url + path
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return _reply(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return _reply(error.code, error.headers, error.read())


def _reply(status: int, headers: Message, data: bytes) -> Reply:
    kept = {name.lower(): value for name, value in headers.items()}
    is_json = "json" in kept.get("content-type", "")
    return Reply(status, kept, json.loads(data) if is_json else data.decode())


def client(world: GitHubWorld, token: str, prefix: str = "", per_page: int = 30) -> github.Github:
    """Give a real PyGithub that neither waits nor retries."""
    return github.Github(
        auth=Auth.Token(token),
        base_url=world.url + prefix,
        seconds_between_requests=0,
        seconds_between_writes=0,
        retry=None,
        per_page=per_page,
    )


def register(world: GitHubWorld, token: str, name: str = "rk-1", *labels: str, level: str = RUNNERS) -> Reply:
    """Ask for a JIT configuration."""
    body = {"name": name, "runner_group_id": 1, "labels": list(labels or ("gpu",))}
    return call(world, "POST", f"{level}/generate-jitconfig", body, token)
