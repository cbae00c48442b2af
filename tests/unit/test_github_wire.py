from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeRejected, ForgeUnavailable
from runnerkit.github.asks import AT_REPOSITORY, Ask
from runnerkit.github.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO = "acme/train"
RUNNERS = f"/repos/{REPO}/actions/runners"


@dataclass
class Says:
    """One answer; ``silent`` never gives it."""

    status: int = 200
    body: str = "{}"
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False


class Post:
    """A server that gives the answers it was told, in order, and keeps what it was asked."""

    def __init__(self, *answers: Says) -> None:
        self.left = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], str]] = []
        self.over = threading.Event()
        post = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                post.asked.append((self.command, self.path, dict(self.headers), body))
                says = post.left.pop(0) if post.left else Says(500, "nothing left to say")
                if says.silent:
                    post.over.wait(10)
                    self.close_connection = True
                    return
                data = says.body.encode()
                self.send_response(says.status)
                for name, value in {"Content-Length": str(len(data)), **says.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815 - the base class looks for these names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def exchange(*answers: Says, prefix: str = "", timeouts: tuple[float, float] = (2, 2)) -> Iterator[tuple[Post, Wire]]:
    """A server with its answers, and a wire to it."""
    post = Post(*answers)
    wire = Wire(post.url + prefix, timeouts=timeouts)
    try:
        yield post, wire
    finally:
        wire.close()
        post.close()


def ask(verb: str = "GET", path: str = RUNNERS, etag: str = "", **params: str | int) -> Ask:
    """A request to the runners of a repository."""
    body = {"name": "rk-5-1"} if verb == "POST" else None
    return Ask(
        verb=verb,
        path=path,
        what="list the runners",
        repo=REPO,
        need=AT_REPOSITORY.runners,
        params=params,
        body=body,
        etag=etag,
    )


def test_a_request_says_who_and_which_version() -> None:
    """Every request carries the token, the API's version, what it accepts and a user agent."""
    with exchange(Says(), prefix="/api/v3") as (post, wire):
        wire.send(ask(per_page=100, etag='W/"1"'), "Bearer secret")
    (verb, path, headers, _), *rest = post.asked
    assert (verb, path, rest) == ("GET", f"/api/v3{RUNNERS}?per_page=100", [])
    assert headers["Authorization"] == "Bearer secret"
    assert headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert headers["Accept"] == "application/vnd.github+json"
    assert headers["User-Agent"] == "runnerkit"
    assert headers["If-None-Match"] == 'W/"1"'


def test_neither_cookies_nor_a_netrc_change_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray file in the home directory must not replace the token."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with exchange(Says(headers={"Set-Cookie": "a=b"}), Says()) as (post, wire):
        wire.send(ask(), "Bearer secret")
        wire.send(ask(), "Bearer secret")
    assert [headers["Authorization"] for _, _, headers, _ in post.asked] == ["Bearer secret"] * 2
    assert not any("Cookie" in headers for _, _, headers, _ in post.asked)


def test_a_renamed_repository_is_followed_with_the_whole_request() -> None:
    """The redirect keeps page and body; a POST that was not carried out may be sent where it belongs."""
    moved = {"Location": "/repositories/7/actions/runners"}
    with exchange(Says(301, headers=moved), Says(), Says(307, headers=moved), Says(201)) as (post, wire):
        assert wire.send(ask(per_page=100, page=2), "Bearer secret").status == 200
        assert wire.send(ask("POST"), "Bearer secret").status == 201
    assert post.asked[1][1] == "/repositories/7/actions/runners?page=2&per_page=100"
    assert post.asked[3][0] == "POST"
    assert json.loads(post.asked[3][3]) == {"name": "rk-5-1"}


def test_a_redirect_to_another_host_is_refused() -> None:
    """The token goes nowhere else."""
    with exchange(Says()) as (elsewhere, _), exchange() as (post, wire):
        post.left = [Says(301, headers={"Location": f"{elsewhere.url}{RUNNERS}"})]
        with pytest.raises(ForgeRejected, match="sends the request on to") as caught:
            wire.send(ask(), "Bearer secret")
    assert elsewhere.asked == []
    assert "renamed" in caught.value.hint


@pytest.mark.parametrize("location", [None, RUNNERS])
def test_redirects_lead_nowhere_only_once(location: str | None) -> None:
    """A redirect without an address, or in a circle, ends as an error."""
    headers = {"Location": location} if location else {}
    with exchange(*[Says(302, headers=headers)] * 5) as (post, wire):
        with pytest.raises(ForgeRejected, match="sends the request on"):
            wire.send(ask(), "Bearer secret")
        assert len(post.asked) <= 2


def test_silence_ends_in_an_error() -> None:
    """A server that never answers is given up after the read timeout, and asked once."""
    with exchange(Says(silent=True), timeouts=(2, 0.2)) as (post, wire):
        with pytest.raises(ForgeUnavailable, match=r"no answer from GitHub within 0\.2 s"):
            wire.send(ask("POST"), "Bearer secret")
        assert len(post.asked) == 1


def test_nobody_listening_ends_in_an_error() -> None:
    """A refused connection names the host and shows no token."""
    post = Post()
    post.close()
    wire = Wire(post.url, timeouts=(1, 1))
    with pytest.raises(ForgeUnavailable, match="connection to GitHub failed") as caught:
        wire.send(ask(), "Bearer secret")
    assert "127.0.0.1" in caught.value.message
    assert "secret" not in caught.value.message
    wire.close()


@pytest.mark.parametrize("name", ["X-RateLimit-Remaining", "X-RateLimit-Limit", "X-RateLimit-Reset"])
@pytest.mark.parametrize("value", ["soon", "nan", "inf", "-", "9" * 400])
def test_absurd_headers_are_no_crash(name: str, value: str) -> None:
    """PyGithub reads these headers itself; what it stumbles over becomes our error."""
    headers = dict.fromkeys(("X-RateLimit-Remaining", "X-RateLimit-Limit", "X-RateLimit-Reset"), "1") | {name: value}
    with exchange(Says(headers=headers)) as (_, wire), pytest.raises(ForgeUnavailable, match="not be understood"):
        wire.send(ask(), "Bearer secret")


def test_an_unfinished_answer_is_not_waited_for() -> None:
    """PyGithub would ask again and again on 202; one failure is enough to decide by."""
    with exchange(Says(202), Says()) as (post, wire):
        with pytest.raises(ForgeUnavailable):
            wire.send(ask(), "Bearer secret")
        assert len(post.asked) == 1


def test_nothing_is_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyGithub would let a second pass between two writes, and a quarter between two readings."""
    with exchange(Says(201), Says(201), Says(), Says()) as (post, wire):
        slept: list[float] = []
        with monkeypatch.context() as patched:
            patched.setattr(time, "sleep", slept.append)
            for verb in ("POST", "POST", "GET", "GET"):
                wire.send(ask(verb), "Bearer secret")
    assert (slept, len(post.asked)) == ([], 4)


def test_debug_logs_hold_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Even with debug logging everywhere, neither the token nor a JIT configuration is written down."""
    caplog.set_level(logging.DEBUG)
    with exchange(Says(201, '{"encoded_jit_config": "jit-secret"}')) as (_, wire):
        assert "jit-secret" in wire.send(ask("POST"), "Bearer token-secret").text
    assert "secret" not in caplog.text


def test_text_is_read_as_utf_8_whatever_the_server_forgets_to_say() -> None:
    """Names of runs and labels come in every script."""
    with exchange(Says(body='{"name": "Ä→日本"}', headers={"Content-Type": "text/plain"})) as (_, wire):
        assert json.loads(wire.send(ask(), "Bearer secret").text) == {"name": "Ä→日本"}
