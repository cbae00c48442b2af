"""Webhooks over real sockets: signed ones wake the loop, and nothing else does anything."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from runnerkit.events import DeliveryRefused
from runnerkit.web.receiver import LARGEST_BODY
from tests.web.visits import LABEL, REPO, SECRET, Visited, delivered, job, signature, visited

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site() -> Iterator[Visited]:
    """A site that takes webhooks in."""
    with visited() as there:
        yield there


def test_a_signed_webhook_about_a_queued_job_is_a_hint(site: Visited) -> None:
    """It is answered with 202, and the loop hears which repository to look at."""
    answer = site.hook(job())
    assert (202, "hint") == (answer.status, answer.json["outcome"])
    assert [REPO] == site.hints


@pytest.mark.parametrize(
    "given",
    [
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        signature(job(), "another secret altogether"),
        signature(job("completed")),
        signature(job()).removeprefix("sha256="),
        signature(job()).replace("sha256", "sha1"),
        signature(job()).upper(),
        signature(job()) + "00",
        "sha256=" + "é" * 32,
    ],
)
def test_an_unsigned_webhook_is_refused_and_hints_at_nothing(site: Visited, given: str) -> None:
    """Law 11: without our secret it is a 401, and neither the answer nor the events tell what was expected."""
    headers = delivered(job()) | {"X-Hub-Signature-256": given}
    sent: dict[str, str | bytes] = {name: text.encode("latin-1") for name, text in headers.items()}
    answer = site.ask("POST", "/hooks", job(), sent)
    assert 401 == answer.status
    assert [] == site.hints
    told = repr([event.as_dict() for event in site.events.seen]) + answer.body.decode()
    assert signature(job()).removeprefix("sha256=") not in told
    assert LABEL not in told


def test_a_body_that_was_changed_on_the_way_is_refused(site: Visited) -> None:
    """The signature is over every byte."""
    assert 401 == site.ask("POST", "/hooks", job() + b" ", delivered(job())).status
    assert [] == site.hints


def test_strangers_are_told_of_once_a_minute(site: Visited) -> None:
    """Somebody who knocks a hundred times does not fill the log; a minute later it is told again."""
    for _ in range(5):
        site.ask("POST", "/hooks", job(), {"X-GitHub-Event": "workflow_job"})
    assert [DeliveryRefused("127.0.0.1", "it is not signed")] == site.events.of(DeliveryRefused)
    site.clock.advance(61)
    site.ask("POST", "/hooks", job(), delivered(job()) | {"X-Hub-Signature-256": "sha256=1"})
    assert "the signature is wrong" == site.events.of(DeliveryRefused)[-1].why


def test_two_secrets_hold_while_one_replaces_the_other() -> None:
    """Deliveries signed with either are taken in, others are not."""
    with visited(secrets=("the new secret of it", SECRET)) as site:
        for secret, status in ((SECRET, 202), ("the new secret of it", 202), ("a third one, unknown", 401)):
            headers = delivered(job()) | {"X-Hub-Signature-256": signature(job(), secret)}
            assert status == site.ask("POST", "/hooks", job(), headers).status
    assert [REPO, REPO] == site.hints


def test_a_delivery_that_comes_again_wakes_nobody_twice(site: Visited) -> None:
    """GitHub keeps the GUID when it sends again; the second is taken in with 202 and forgotten."""
    outcomes = [site.hook(job(), "guid-1").json["outcome"] for _ in range(3)]
    assert ["hint", "repeated", "repeated"] == outcomes
    assert [REPO] == site.hints
    assert "hint" == site.hook(job(), "guid-2").json["outcome"]


def test_a_delivery_that_was_refused_counts_when_it_comes_again(site: Visited) -> None:
    """A wrong signature and an unreadable body leave no trace of the GUID."""
    assert 401 == site.ask("POST", "/hooks", job(), delivered(job(), "guid-1") | {"X-Hub-Signature-256": ""}).status
    assert 400 == site.hook(b"{", "guid-1").status
    assert "hint" == site.hook(job(), "guid-1").json["outcome"]


def test_a_delivery_that_could_not_be_passed_on_is_no_failure_and_counts_again() -> None:
    """Whatever breaks behind the receiver, GitHub hears 202; the same delivery may come again."""
    broken = [True]

    def hint(_repo: str) -> bool:
        if broken[0]:
            raise RuntimeError("broken")
        return True

    with visited(hint=hint) as site:
        first = site.hook(job(), "guid-1")
        broken[0] = False
        assert (202, "failed") == (first.status, first.json["outcome"])
        assert "hint" == site.hook(job(), "guid-1").json["outcome"]


@pytest.mark.parametrize(
    ("body", "event", "outcome"),
    [
        (job("queued"), "workflow_job", "hint"),
        (job("completed"), "workflow_job", "hint"),
        (job("in_progress"), "workflow_job", "ignored"),
        # The action says queued, but an environment holds the job.
        (job("waiting").replace(b'"action": "waiting"', b'"action": "queued"'), "workflow_job", "ignored"),
        (job("queued", labels=["ubuntu-latest"]), "workflow_job", "ignored"),
        (job("queued", labels=["runerkit=1"]), "workflow_job", "hint"),
        (job("queued", labels=[]), "workflow_job", "hint"),
        (job("queued", labels=None, id=None), "workflow_job", "hint"),
        (job("queued", labels={"a": 1}, id="seven"), "workflow_job", "hint"),
        (job("queued", name="a\u0000b", labels=[LABEL, 7, None]), "workflow_job", "hint"),
        (b'{"workflow_job":{"status":7},"repository":{"full_name":"acme/widgets"}}', "workflow_job", "hint"),
        (b'{"workflow_job":null,"repository":{"full_name":"acme/widgets"}}', "workflow_job", "hint"),
        (b'{"repository":{"full_name":"acme/other"}}', "workflow_job", "ignored"),
        (b'{"repository":{"full_name":"acme/widgets\\u0000"}}', "workflow_job", "ignored"),
        (b'{"repository":{"full_name":"\\ud800/x"}}', "workflow_job", "ignored"),
        (b'{"repository":"acme/widgets"}', "workflow_job", "ignored"),
        (b'{"workflow_run":{"status":"completed"},"repository":{"full_name":"acme/widgets"}}', "workflow_run", "hint"),
        (b'{"workflow_run":{"status":"queued"},"repository":{"full_name":"acme/widgets"}}', "workflow_run", "ignored"),
        (b'{"zen":"Keep it simple.","hook_id":1}', "ping", "ping"),
        (b"{}", "push", "ignored"),
        (b"{}", "", "ignored"),
    ],
)
def test_the_status_of_a_job_decides_and_what_is_missing_does_not_matter(
    site: Visited, body: bytes, event: str, outcome: str
) -> None:
    """Every signed document is taken in with a reason; it hints where a look may be needed."""
    answer = site.hook(body, event=event)
    assert (202, outcome) == (answer.status, answer.json["outcome"])
    assert answer.json["why"]


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff\xfe\x00", b"[" * 200_000, b'{"a":' * 200_000])
def test_what_is_no_document_is_a_bad_request(site: Visited, body: bytes) -> None:
    """Signed or not, nothing that cannot be read is a failure of ours."""
    assert 400 == site.hook(body).status
    assert [] == site.hints


def test_a_form_with_the_document_in_it_is_read(site: Visited) -> None:
    """A webhook made with the content type that GitHub preselects works as well."""
    body = urlencode({"payload": job().decode()}).encode()
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    answer = site.ask("POST", "/hooks", body, delivered(body) | {"Content-Type": kind})
    assert "hint" == answer.json["outcome"]


def test_a_body_in_chunks_is_a_body(site: Visited) -> None:
    """Chunked transfer is put together before the signature is checked."""
    body = job()
    head = "".join(f"{name}: {text}\r\n" for name, text in delivered(body).items())
    with site.raw(f"POST /hooks HTTP/1.1\r\nHost: x\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode()) as there:
        for part in (body[:10], body[10:]):
            there.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        there.sendall(b"0\r\n\r\n")
        assert there.recv(100).startswith(b"HTTP/1.1 202")
    assert [REPO] == site.hints


def test_a_body_of_the_largest_size_is_read_and_a_larger_one_is_refused(site: Visited) -> None:
    """GitHub sends 25 MB at most; what announces more is turned away without reading it."""
    body = job()
    assert 202 == site.hook(body + b" " * (LARGEST_BODY - len(body))).status
    with site.raw(b"POST /hooks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY + 1)) as there:
        assert there.recv(100).startswith(b"HTTP/1.1 413")
    assert "hint" == site.hook(job()).json["outcome"]


def test_a_burst_of_webhooks_is_answered_to_the_last() -> None:
    """Fifty at once, while whoever is woken takes long: every one is answered, and soon."""
    busy = threading.Event()
    with visited(hint=lambda _repo: not busy.is_set()) as site, ThreadPoolExecutor(50) as pool:
        bodies = [job(id=number) for number in range(50)]
        began = time.monotonic()
        answers = list(pool.map(lambda body: site.hook(body, guid=str(json.loads(body)["workflow_job"]["id"])), bodies))
        took = time.monotonic() - began
    assert [202] * 50 == [answer.status for answer in answers]
    assert took < 5


def test_slow_visitors_keep_nobody_from_being_heard(site: Visited) -> None:
    """A hundred connections that never finish their request take no worker from GitHub."""
    head = b"POST /hooks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nso slow"
    slow = [site.raw(head) for _ in range(100)]
    try:
        assert "hint" == site.hook(job()).json["outcome"]
    finally:
        for there in slow:
            there.close()


def test_without_webhooks_the_path_says_so() -> None:
    """Polling alone is a choice; a webhook that is sent all the same learns why it is not wanted."""
    with visited(secrets=None) as site:
        answer = site.hook(job())
    assert (404, "off") == (answer.status, answer.json["outcome"])


def test_webhooks_are_counted_by_what_became_of_them(site: Visited) -> None:
    """Known events are told apart; strangers cannot make up new ones."""
    site.hook(job())
    site.ask("POST", "/hooks", b"{}", {"X-GitHub-Event": "made-up"})
    page = site.ask("GET", "/metrics").body.decode()
    assert 'runnerkit_webhooks_total{event="workflow_job",outcome="hint"} 1.0' in page
    assert 'runnerkit_webhooks_total{event="other",outcome="unsigned"} 1.0' in page
    assert "made-up" not in page
