"""The agent's metadata client against a small server that insists on version 2."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from runnerkit.machine.runnerkit_agent.imds import ENDPOINT_VARIABLE, Imds, Notice

if TYPE_CHECKING:
    from collections.abc import Iterator

WALL = 1_790_000_000.0


class Metadata(ThreadingHTTPServer):
    """EC2's metadata service, version 2 only: a token by PUT, then texts by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts: dict[str, str] = {}
        self.tokens = 0
        self.asked: list[str] = []
        self.broken = False
        self.date = ""

    @property
    def environ(self) -> dict[str, str]:
        """The variable that leads clients here."""
        return {ENDPOINT_VARIABLE: f"http://127.0.0.1:{self.server_port}/"}

    def token(self) -> str:
        """The one token that is valid now."""
        return f"token-{self.tokens}"


class _Handler(BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not ttl.isdecimal():
            self._answer(400, "")
            return
        self.server.tokens += 1
        self._answer(200, self.server.token())

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.broken:
            self._answer(500, "")
        elif self.headers.get("X-aws-ec2-metadata-token") != self.server.token():
            self._answer(401, "")
        else:
            text = self.server.texts.get(self.path.removeprefix("/latest/meta-data/"))
            self._answer(404 if text is None else 200, text or "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def date_time_string(self, timestamp: float | None = None) -> str:
        """AWS's clock, if a test has set it."""
        return self.server.date or super().date_time_string(timestamp)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """A running service."""
    with Metadata() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def test_nothing_announced_is_none(metadata: Metadata) -> None:
    """404 is the ordinary answer of both paths, and one token serves many questions."""
    imds = Imds(metadata.environ)
    assert imds.notice(WALL) is None
    assert imds.rebalance(WALL) is None
    assert metadata.tokens == 1


def test_a_notice_is_read_with_its_time(metadata: Metadata) -> None:
    """Action and time arrive; the time is UTC."""
    metadata.texts["spot/instance-action"] = '{"action": "terminate", "time": "2026-11-21T08:22:00Z"}'
    notice = Imds(metadata.environ).notice(WALL)
    assert notice is not None
    assert (notice.action, notice.at) == ("terminate", 1_795_249_320.0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"action":', '{"time": "soon"}', '{"time": "9999-99-99T99:99:99Z"}'])
def test_a_notice_that_cannot_be_read_is_still_a_notice(metadata: Metadata, text: str) -> None:
    """Its existence is the news; the time is then AWS's usual two minutes."""
    metadata.texts["spot/instance-action"] = text
    metadata.date = "Mon, 21 Sep 2026 14:13:00 GMT"
    assert Imds(metadata.environ).notice(0) == Notice("terminate", WALL - 20 + 120, 120)


def test_a_rebalance_recommendation_is_read(metadata: Metadata) -> None:
    """It has its own path and time."""
    metadata.texts["events/recommendations/rebalance"] = '{"noticeTime": "2026-11-21T08:22:00Z"}'
    assert Imds(metadata.environ).rebalance(WALL) == 1_795_249_320.0


def test_a_token_that_expired_is_renewed_once(metadata: Metadata) -> None:
    """After six hours the service answers 401, and the same question is asked again with a new token."""
    imds = Imds(metadata.environ)
    assert imds.get("meta-data/instance-id") is None
    metadata.tokens += 1
    metadata.texts["instance-id"] = "i-0123"
    assert imds.get("meta-data/instance-id") == "i-0123"


def test_a_broken_service_is_an_os_error(metadata: Metadata) -> None:
    """5xx is neither "no notice" nor a crash of another kind."""
    metadata.broken = True
    with pytest.raises(OSError, match="500"):
        Imds(metadata.environ).notice(WALL)


def test_an_absent_service_is_an_os_error() -> None:
    """A closed port is refused at once."""
    with Metadata() as gone:
        environ = gone.environ
    with pytest.raises(OSError, match="refused"):
        Imds(environ, timeout=1).notice(WALL)


def test_facts_are_what_the_instance_knows(metadata: Metadata) -> None:
    """Facts it does not know are left out."""
    metadata.texts |= {
        "instance-id": "i-0123",
        "instance-life-cycle": "spot",
        "placement/availability-zone": "eu-west-1a",
    }
    assert Imds(metadata.environ).facts() == {"instance_id": "i-0123", "market": "spot", "zone": "eu-west-1a"}


def test_proxies_are_not_asked(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy for the internet cannot answer for a link-local address, and must not learn the token."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "")
    metadata.texts["instance-id"] = "i-0123"
    assert Imds(metadata.environ).get("meta-data/instance-id") == "i-0123"
