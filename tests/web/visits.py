"""A site on a real server, and visitors with real sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runnerkit.testing import FakeClock, RecordedEvents
from runnerkit.web.door import Door
from runnerkit.web.front import PAGE
from runnerkit.web.health import Health
from runnerkit.web.metrics import Metrics
from runnerkit.web.receiver import Receiver
from runnerkit.web.server import Server
from runnerkit.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

SECRET = "a secret of the webhook"
REPO = "acme/widgets"
LABEL = "runnerkit=42/gpu=t4"
PATIENCE = 45.0


def signature(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def job(status: str = "queued", **more: object) -> bytes:
    """The body of a delivery about a job."""
    about = {"id": 7, "run_id": 1, "status": status, "labels": [LABEL], **more}
    return json.dumps({"action": status, "workflow_job": about, "repository": {"full_name": REPO}}).encode()


def delivered(body: bytes, guid: str = "", event: str = "workflow_job", **more: str) -> dict[str, str]:
    """The headers of a delivery, signed."""
    headers = {"X-GitHub-Event": event, "X-Hub-Signature-256": signature(body), "Content-Type": "application/json"}
    return headers | ({"X-GitHub-Delivery": guid} if guid else {}) | more


def password(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anybody:{text}".encode()).decode()}


@dataclass
class Visited:
    """A site that is up, and what happened behind it."""

    server: Server
    events: RecordedEvents
    clock: FakeClock
    metrics: Metrics
    health: Health
    hints: list[str] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str | bytes] | None = None
    ) -> Answered:
        """One request on a connection of its own."""
        there = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        try:
            there.request(method, path, body or None, dict(headers or {}))
            answer = there.getresponse()
            return Answered(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            there.close()

    def hook(self, body: bytes, guid: str = "", **more: str) -> Answered:
        """A signed delivery."""
        return self.ask("POST", "/hooks", body, delivered(body, guid, **more))

    def raw(self, text: bytes) -> socket.socket:
        """A connection on which something was said already."""
        there = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        there.sendall(text)
        return there


@dataclass
class Answered:
    """What a visitor got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it is
        """The document in the body."""
        return json.loads(self.body)


@contextmanager
def visited(
    *,
    secrets: tuple[str, ...] | None = (SECRET,),
    hint: Callable[[str], bool] | None = None,
    document: Callable[[], bytes] = lambda: b'{"jobs":[]}',
    door: Door | None = None,
    folder: Path = PAGE,
    trusted_proxy: str | None = None,
) -> Iterator[Visited]:
    """A site on a free port of this machine."""
    events, clock, hints = RecordedEvents(), FakeClock(), list[str]()

    def noted(repo: str) -> bool:
        hints.append(repo)
        return repo == REPO

    receiver = Receiver(secrets, hint=hint or noted, clock=clock, events=events) if secrets is not None else None
    health, metrics = Health(clock, 60), Metrics(clock)
    site = Site(receiver, health, metrics, document, door or Door(None, local=True), folder, events)
    server = Server(site, bind="127.0.0.1", port=0, trusted_proxy=trusted_proxy)
    server.start()
    try:
        yield Visited(server, events, clock, metrics, health, hints)
    finally:
        server.close()
