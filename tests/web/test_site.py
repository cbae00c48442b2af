"""Paths, methods, headers, and who may see what."""

from __future__ import annotations

import gzip
import json
import re
import socket
from typing import TYPE_CHECKING

import pytest

from runnerkit.errors import ForgeUnavailable
from runnerkit.events import ActionFailed, PassEnded
from runnerkit.phases import Phase
from runnerkit.web.door import Door, Verdict
from runnerkit.web.front import PAGE
from tests.web.visits import Visited, job, password, visited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GUARDED = ["/", "/page.js", "/page.css", "/status.json", "/metrics"]
WORD = "a long password"


@pytest.fixture
def site() -> Iterator[Visited]:
    """A site for people at this machine."""
    with visited() as there:
        yield there


@pytest.mark.parametrize("path", [*GUARDED, "/healthz", "/nowhere", "/../settings.py", "/hooks"])
def test_every_answer_keeps_the_browser_on_a_short_leash(site: Visited, path: str) -> None:
    """Pages, errors and refusals alike: nothing from elsewhere, no frames, no guessing of types, no referrer."""
    headers = site.ask("GET", path).headers
    policy = headers["content-security-policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert ("nosniff", "no-referrer") == (headers["x-content-type-options"], headers["referrer-policy"])
    assert "server" not in headers


def test_the_files_of_the_page_are_served_and_nothing_else(site: Visited) -> None:
    """Each with its type; what is beside them, or no file of a page, is not there."""
    for file in PAGE.iterdir():
        answer = site.ask("GET", "/" if file.name == "index.html" else f"/{file.name}")
        assert (200, file.read_bytes()) == (answer.status, answer.body)
        assert answer.headers["content-type"].startswith("text/")
    for path in ("/index.html", "/page", "/../site.py", "/..%2fsite.py", "//etc/passwd", "/page.js/", "/\x00"):
        assert 404 == site.ask("GET", path.replace("\x00", "%00")).status


def test_the_page_counts_machines_of_every_phase() -> None:
    """A phase that the page does not know would be missing from the sum under the number of machines."""
    listed = re.search(r"const PHASES = (\[.*?\]);", (PAGE / "lines.js").read_text(encoding="utf-8"))
    assert listed is not None
    assert {*map(str, Phase), "unknown"} - {"ended"} == set(json.loads(listed[1]))


@pytest.mark.parametrize("path", ["/", "/status.json"])
def test_what_a_visitor_has_already_is_not_sent_again(site: Visited, path: str) -> None:
    """If-None-Match with the tag gives 304 without a body; another tag gives it anew."""
    tag = site.ask("GET", path).headers["etag"]
    for given in (tag, f'"x", W/{tag}', "*"):
        answer = site.ask("GET", path, headers={"If-None-Match": given})
        assert (304, b"", tag) == (answer.status, answer.body, answer.headers["etag"])
    assert 200 == site.ask("GET", path, headers={"If-None-Match": '"x"'}).status


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "deflate,gzip , br"])
def test_long_answers_are_packed_for_who_can_unpack(accepted: str) -> None:
    """A tenth of the bytes, with a weak tag; the tag of either form is known again."""
    body = b'{"jobs":[' + b'"the same", ' * 10_000 + b'""]}'
    with visited(document=lambda: body) as site:
        packed = site.ask("GET", "/status.json", headers={"Accept-Encoding": accepted})
        plain = site.ask("GET", "/status.json", headers={"Accept-Encoding": "identity"})
        assert ("gzip", "Accept-Encoding") == (packed.headers["content-encoding"], packed.headers["vary"])
        assert (body, body) == (gzip.decompress(packed.body), plain.body)
        assert len(packed.body) < len(body) / 10
        assert f"W/{plain.headers['etag']}" == packed.headers["etag"]
        for tag in (packed.headers["etag"], plain.headers["etag"]):
            again = {"Accept-Encoding": accepted, "If-None-Match": tag}
            assert (304, b"") == ((answer := site.ask("GET", "/status.json", headers=again)).status, answer.body)


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", "gzipped"])
def test_nobody_gets_what_he_cannot_unpack(accepted: str) -> None:
    """Without the word, with another, or with one that refuses it, the bytes come as they are."""
    with visited(document=lambda: b" " * 5_000) as site:
        answer = site.ask("GET", "/status.json", headers={"Accept-Encoding": accepted})
        assert (None, 5_000) == (answer.headers.get("content-encoding"), len(answer.body))


@pytest.mark.parametrize("path", [*GUARDED, "/healthz"])
def test_head_is_get_without_the_body(site: Visited, path: str) -> None:
    """Same status, same type, nothing after the headers."""
    get, head = site.ask("GET", path), site.ask("HEAD", path)
    assert (get.status, get.headers["content-type"]) == (head.status, head.headers["content-type"])
    assert b"" == head.body
    if path != "/metrics":  # the process is measured anew each time
        assert get.headers["content-length"] == head.headers["content-length"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/status.json", "GET, HEAD, OPTIONS"),
        ("PUT", "/metrics", "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("GET", "/hooks", "POST, OPTIONS"),
        ("HEAD", "/hooks", "POST, OPTIONS"),
        ("TRACE", "/hooks", "POST, OPTIONS"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(site: Visited, method: str, path: str, allow: str) -> None:
    """405 with Allow; OPTIONS tells the same with 204."""
    answer, options = site.ask(method, path), site.ask("OPTIONS", path)
    assert (405, allow) == (answer.status, answer.headers["allow"])
    assert (204, allow, b"") == (options.status, options.headers["allow"], options.body)


def test_a_page_that_fails_is_told_and_takes_nothing_with_it() -> None:
    """500 without a word of the reason, an event with it, and webhooks go on."""

    def document() -> bytes:
        raise RuntimeError("the reason")

    with visited(document=document) as site:
        answer = site.ask("GET", "/status.json")
        assert 500 == answer.status
        assert b"reason" not in answer.body
        assert "the reason" in str(site.events.of(ActionFailed)[0].error)
        assert 202 == site.hook(job()).status


# --- who may see what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"X-Forwarded-Proto": "https"},
        {"Host": "runners.example.org"},
        {"Host": "127.0.0.1.example.org"},
        {"Host": "203.0.113.7:8080"},
    ],
)
def test_without_a_password_a_proxied_visitor_stays_out(site: Visited, path: str, header: dict[str, str]) -> None:
    """Through a proxy, or under a name that is not this machine's own, the page is shut and says what opens it."""
    answer = site.ask("GET", path, headers=header)
    assert 403 == answer.status
    assert b"page_password under [serve]" in answer.body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.0.0.1:9000"])
def test_people_at_this_machine_see_the_page(site: Visited, host: str) -> None:
    """Directly, over a loopback address or a forwarded port of SSH."""
    assert 200 == site.ask("GET", "/status.json", headers={"Host": host}).status


@pytest.mark.parametrize("path", GUARDED)
def test_bound_elsewhere_without_a_password_the_pages_are_shut(path: str) -> None:
    """Health and webhooks answer all the same."""
    with visited(door=Door(None, local=False)) as site:
        assert 403 == site.ask("GET", path).status
        assert 200 == site.ask("GET", "/healthz").status
        assert 202 == site.hook(job()).status


@pytest.mark.parametrize("local", [True, False])
def test_with_a_password_everybody_must_give_it(local: bool) -> None:
    """By basic authentication, whatever the user name; also at this machine, where a proxy may hide who asks."""
    with visited(door=Door(WORD, local=local)) as site:
        for wrong in ({}, password("wrong"), password(""), {"Authorization": "Basic x"}, {"Authorization": "Bearer x"}):
            answer = site.ask("GET", "/status.json", headers=wrong)
            assert 401 == answer.status
            assert answer.headers["www-authenticate"].startswith("Basic ")
        assert 200 == site.ask("GET", "/status.json", headers=password(WORD) | {"Host": "runners.example.org"}).status


def test_a_visitor_cannot_pretend_to_be_local_to_a_trusted_proxy() -> None:
    """The proxy's headers are believed about the address, but they open no door."""
    with visited(door=Door(None, local=False), trusted_proxy="127.0.0.1") as site:
        assert (
            403
            == site.ask("GET", "/", headers={"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost"}).status
        )


def test_the_door_takes_no_odd_credentials() -> None:
    """Bytes that are no text, and passwords with signs from anywhere, are compared and not tripped over."""
    door = Door("pässwörd of some length", local=True)
    given = password("pässwörd of some length")["Authorization"]
    assert Verdict.OPEN is door.judge({"HTTP_AUTHORIZATION": given})
    assert "pässwörd" not in repr(door)
    for odd in ("Basic //8=", "Basic \xff", "basic", "Basic " + "A" * 10_000, ""):
        assert Verdict.ASK is door.judge({"HTTP_AUTHORIZATION": odd})


# --- health -----------------------------------------------------------------------------------------------------------


def test_health_follows_the_passes(site: Visited) -> None:
    """Well at the start, well while passes come, ill when none has ended for three intervals."""
    assert {"ok": True, "last_pass_at": None, "last_pass_seconds": None, "last_error": None} == site.ask(
        "GET", "/healthz"
    ).json
    site.clock.advance(170)
    site.health.emit(PassEnded(0, 0, 0, 0, 1.5))
    site.clock.advance(170)
    said = site.ask("GET", "/healthz").json
    assert (True, 1.5) == (said["ok"], said["last_pass_seconds"])
    site.clock.advance(20)
    answer = site.ask("GET", "/healthz")
    assert (503, False) == (answer.status, answer.json["ok"])


def test_a_first_pass_that_never_ends_is_ill(site: Visited) -> None:
    """The start has its grace, and no more."""
    site.clock.advance(181)
    assert 503 == site.ask("GET", "/healthz").status


def test_an_outage_of_github_is_no_illness(site: Visited) -> None:
    """Passes that fail are passes: starting again would mend nothing. The code tells, the message does not."""
    for _ in range(10):
        site.clock.advance(60)
        site.health.emit(ActionFailed("pass", "", ForgeUnavailable("GitHub failed at acme/secret")))
    answer = site.ask("GET", "/healthz")
    assert (200, "github-unavailable") == (answer.status, answer.json["last_error"])
    assert b"secret" not in answer.body
    site.health.emit(PassEnded(0, 0, 0, 0, 1.0))
    assert site.ask("GET", "/healthz").json["last_error"] is None


def test_an_installation_without_a_page_serves_the_rest(tmp_path: Path) -> None:
    """No file, no page: 404, while everything else answers."""
    with visited(folder=tmp_path) as site:
        assert [404, 200] == [site.ask("GET", path).status for path in ("/", "/status.json")]


def test_rubbish_is_answered_with_a_bad_request(site: Visited) -> None:
    """What is no HTTP does not disturb the server."""
    for text in (b"hello\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n"):
        with site.raw(text) as there:
            there.shutdown(socket.SHUT_WR)
            assert not there.recv(100).startswith(b"HTTP/1.1 5")
    assert 200 == site.ask("GET", "/healthz").status
