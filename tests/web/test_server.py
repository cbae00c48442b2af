"""The server's start, its patience and its end."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from runnerkit.errors import ConfigError
from runnerkit.web import server
from runnerkit.web.server import Server
from tests.web.visits import PATIENCE, SECRET, job, visited


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    """Exit code 2, naming address and port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1 port {port}") as told:
            Server(lambda *_: [], bind="127.0.0.1", port=port)
    assert 2 == told.value.exit_code
    assert "--port" in told.value.hint


def test_a_port_that_one_of_us_has_is_taken() -> None:
    """Two services cannot share a port by accident."""
    with visited() as site, pytest.raises(ConfigError):
        Server(lambda *_: [], bind="127.0.0.1", port=site.server.port)


@pytest.mark.parametrize("bind", ["localhost", "", "300.0.0.1", "203.0.113.7"])
def test_an_address_that_is_not_ours_is_a_clear_error(bind: str) -> None:
    """A name, a slip of the pen, and an address of another machine."""
    with pytest.raises(ConfigError) as told:
        Server(lambda *_: [], bind=bind, port=0)
    assert told.value.hint


def test_the_port_is_free_again_after_the_end() -> None:
    """A service that ended can be started again at once."""
    with visited() as site:
        site.hook(job())
        port = site.server.port
    again = Server(lambda *_: [], bind="127.0.0.1", port=port)
    again.close()


def test_the_end_answers_who_was_let_in() -> None:
    """While a request is being answered the door closes for others, and the answer still arrives."""
    began, go_on, answers = threading.Event(), threading.Event(), list[int]()

    def hint(_repo: str) -> bool:
        began.set()
        return go_on.wait(PATIENCE)

    with visited(hint=hint) as site:
        asking = threading.Thread(target=lambda: answers.append(site.hook(job()).status))
        asking.start()
        assert began.wait(PATIENCE)
        closing = threading.Thread(target=site.server.close)
        closing.start()
        _until_refused(site.server.port)
        go_on.set()
        closing.join(PATIENCE)
        asking.join(PATIENCE)
    assert [202] == answers


def _until_refused(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("it still listens")


def test_a_request_that_drips_in_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps no connection open: what is not there in time is hung up on."""
    monkeypatch.setattr(server, "REQUEST_WITHIN", 0.5)
    monkeypatch.setattr(server, "LOOK_EVERY", 0.1)
    with visited() as site, site.raw(b"POST /hooks HTTP/1.1\r\n") as there:
        there.settimeout(0.1)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not _is_closed(there):
            pass
        assert time.monotonic() < until


def _is_closed(there: socket.socket) -> bool:
    try:
        there.sendall(b"X")
        return there.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("said", [b"", b"POST /hooks HTTP/1.1\r\nContent-Length: 9\r\n\r\n"], ids=["silent", "slow"])
def test_idle_strangers_do_not_keep_a_webhook_out(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """More connections than the server takes, none of which says a whole request: a webhook is answered soon."""
    monkeypatch.setattr(server, "CONNECTIONS", 20)
    monkeypatch.setattr(server, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(server, "SILENT", 0.1)
    with visited() as site, ExitStack() as strangers:
        for _ in range(40):
            strangers.enter_context(site.raw(said))
        assert 202 == site.hook(job()).status


def test_few_idle_visitors_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that keeps its connection for the next question finds it still there."""
    monkeypatch.setattr(server, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(server, "SILENT", 0.0)
    with visited() as site, site.raw(b"") as there:
        for _ in range(5):
            assert 200 == site.ask("GET", "/healthz").status
            time.sleep(0.1)
        there.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert there.recv(100).startswith(b"HTTP/1.0 200")


def test_a_server_that_failed_is_told_and_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread is gone and its pipe closed: nobody is there to be woken, and nothing is raised."""
    failing = Server(lambda *_: [], bind="127.0.0.1", port=0)
    monkeypatch.setattr(failing, "_turn", lambda _seconds: 1 // 0)
    monkeypatch.setattr(threading, "excepthook", lambda _told: None)
    failing.start()
    until = time.monotonic() + PATIENCE
    while failing.alive and time.monotonic() < until:
        time.sleep(0.01)
    assert not failing.alive
    failing.close()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"POST /hooks HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"501"),
        (b"POST /hooks HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /hooks HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", b"400"),
        (b"POST /hooks HTTP/1.1\r\nContent-Length: -2\r\n\r\n", b"400"),
        (b"POST /hooks HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", b"413"),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"431"),
    ],
    ids=["unknown coding", "space before colon", "two lengths", "negative length", "huge", "long header"],
)
def test_what_could_mean_two_things_is_refused(text: bytes, status: bytes) -> None:
    """Requests that a proxy in front may read in another way than we do, and too large ones, get no further."""
    with visited() as site, site.raw(text) as there:
        assert status == there.recv(100).split()[1]
        assert [] == site.hints


def test_a_service_without_secrets_serves_no_hooks() -> None:
    """There is no way to take webhooks in that were not signed."""
    with visited(secrets=()) as site:
        assert 401 == site.hook(job()).status
        assert SECRET not in repr(site.events.seen)
