"""The whole way of a webhook, from headers to hint: whatever a stranger sends, nothing breaks and nothing happens."""

from __future__ import annotations

import hmac
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runnerkit.testing import FakeClock, RecordedEvents
from runnerkit.web.door import Door
from runnerkit.web.front import PAGE
from runnerkit.web.health import Health
from runnerkit.web.metrics import Metrics
from runnerkit.web.receiver import Receiver
from runnerkit.web.site import Site
from tests.web.visits import REPO, job, signature, visited

if TYPE_CHECKING:
    from collections.abc import Callable

SECRETS = ("the old secret of the webhook", "the new secret of the webhook")
# What a server hands on of a header: Latin-1, whatever the bytes meant.
HEADERS = st.text(st.characters(max_codepoint=255), max_size=90)
ENCODED = st.sampled_from(["utf-8", "utf-16", "utf-32", "latin-1", "utf-7", "cp037"])


def application() -> tuple[Site, list[str]]:
    hints: list[str] = []

    def noted(repo: str) -> bool:
        hints.append(repo)
        return repo == REPO

    clock, events = FakeClock(), RecordedEvents()
    receiver = Receiver(SECRETS, hint=noted, clock=clock, events=events)
    door = Door("a long password", local=False)
    return Site(receiver, Health(clock, 60), Metrics(clock), lambda: b"{}", door, PAGE, events), hints


SITE, HINTS = application()


def posted(body: bytes, **headers: str) -> int:
    """The status of a POST to the webhooks' path."""
    statuses: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/hooks",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        **headers,
    }
    HINTS.clear()

    def start(status: str, _headers: object, _error: object = None, /) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    SITE(environ, start)
    return int(statuses[0][:3])


@settings(max_examples=80, deadline=None)
@given(body=st.binary(max_size=200), event=HEADERS, guid=HEADERS, signed=HEADERS, kind=HEADERS, prefix=st.booleans())
@example(body=b"", event="", guid="", signed="", kind="", prefix=False)
@example(body=b"[" * 200_000, event="workflow_job", guid="1", signed="0" * 64, kind="application/json", prefix=True)
@example(body=b"{}", event="workflow_job", guid="1", signed="\u00b9" * 64, kind="application/json", prefix=True)
def test_unsigned_is_refused_whatever_it_is(
    body: bytes, event: str, guid: str, signed: str, kind: str, prefix: bool
) -> None:
    """Any bytes under any headers without the secret: 401, and the loop hears nothing."""
    status = posted(
        body,
        HTTP_X_GITHUB_EVENT=event,
        HTTP_X_GITHUB_DELIVERY=guid,
        HTTP_X_HUB_SIGNATURE_256=f"sha256={signed}" if prefix else signed,
        CONTENT_TYPE=kind,
    )
    assert (401, []) == (status, HINTS)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=120), encoding=ENCODED, event=HEADERS, kind=HEADERS)
@example(text='{"a":' * 100_000, encoding="utf-8", event="workflow_job", kind="application/json")
@example(
    text="payload=" + "%7B" * 50_000, encoding="utf-8", event="workflow_run", kind="application/x-www-form-urlencoded"
)
@example(text="\ufeff{}", encoding="utf-16", event="workflow_job", kind="application/json; charset=utf-16")
def test_signed_nonsense_is_taken_politely(text: str, encoding: str, event: str, kind: str) -> None:
    """With the secret, but of an odd encoding, depth or kind: 202 or 400, never a failure of ours."""
    body = text.encode(encoding, "replace")
    status = posted(
        body, HTTP_X_GITHUB_EVENT=event, HTTP_X_HUB_SIGNATURE_256=signature(body, SECRETS[1]), CONTENT_TYPE=kind
    )
    assert status in {202, 400}


@pytest.mark.parametrize("secret", SECRETS)
def test_every_secret_takes_the_same_time(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever secret fits, or none: as many comparisons in constant time as there are secrets, and no other."""
    compared: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def watched(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    body = job()
    right = {"HTTP_X_GITHUB_EVENT": "workflow_job", "CONTENT_TYPE": "application/json"}
    assert 202 == posted(body, HTTP_X_HUB_SIGNATURE_256=signature(body, secret), **right)
    assert [REPO] == HINTS
    assert 401 == posted(body, HTTP_X_HUB_SIGNATURE_256=signature(body, "another secret"), **right)
    assert [64] * 2 * 2 * len(SECRETS) == [len(text) for pair in compared for text in pair]


def test_headers_that_come_twice_and_lengths_that_lie() -> None:
    """On a real connection: two signatures are none, and a length that is no number is no request."""
    body = job()
    with visited() as site:
        for more, status in (
            (f"X-Hub-Signature-256: {signature(body)}\r\nX-Hub-Signature-256: sha256={'0' * 64}\r\n", 401),
            (f"X-Hub-Signature-256: sha256={'0' * 64}\r\nX-Hub-Signature-256: {signature(body)}\r\n", 401),
            (f"X-Hub-Signature: {signature(body)}\r\n", 401),
        ):
            head = f"POST /hooks HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            with site.raw(head.encode() + more.encode() + b"Connection: close\r\n\r\n" + body) as there:
                assert f" {status} ".encode() in there.makefile("rb").readline()
        for length in ("-1", "abc", "1e3", "99999999999999", "0x10"):
            head = f"POST /hooks HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            with site.raw(head.encode()) as there:
                answer = there.makefile("rb").readline()
                assert status_of(answer) in {400, 401, 413}, (length, answer)
        assert [] == site.hints


def status_of(line: bytes) -> int:
    return int(line.split()[1])
