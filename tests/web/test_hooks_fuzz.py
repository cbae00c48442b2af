"""Whatever is thrown at the receiver, it stays polite, quick and suspicious."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from runnerkit.testing import FakeClock, RecordedEvents
from runnerkit.web.receiver import Answer, Call, Receiver
from tests.web.visits import REPO, SECRET, signature

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from([REPO, "acme/other", "ACME/Widgets", "acme", "/", "acme/widgets/more", "a/\x00", ""])
JOBS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["queued", "completed", "waiting", "in_progress", "new_word", ""]) | JUNK,
        "labels": st.lists(st.sampled_from(["runnerkit=1/gpu=t4", "ubuntu-latest"]) | JUNK) | JUNK,
        "id": JUNK,
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "action": JUNK,
        "workflow_job": JOBS | JUNK,
        "workflow_run": JOBS | JUNK,
        "repository": st.fixed_dictionaries({"full_name": NAMES | JUNK}) | JUNK,
    },
)
EVENTS = st.sampled_from(["workflow_job", "workflow_run", "ping", "push", ""]) | st.text()
KINDS = st.sampled_from(["application/json", "application/x-www-form-urlencoded", "APPLICATION/JSON; x=1", ""])
BODIES = st.binary(max_size=300) | DOCUMENTS.map(lambda one: json.dumps(one).encode()) | st.just(b"payload=%7B%7D")


def taken(call: Call) -> tuple[Answer, list[str]]:
    hints: list[str] = []

    def hint(repo: str) -> bool:
        hints.append(repo)
        return repo == REPO

    receiver = Receiver((SECRET,), hint=hint, clock=FakeClock(), events=RecordedEvents())
    return receiver.receive(call), hints


@given(event=EVENTS, kind=KINDS, body=BODIES, guid=st.text())
@example(event="workflow_job", kind="application/json", body=b'{"a":' * 100_000, guid="")
@example(event="workflow_job", kind="application/json", body=b"9" * 10_000, guid="")
@example(event="workflow_job", kind="application/x-www-form-urlencoded", body=b"a=1&" * 1000, guid="")
def test_anything_signed_is_answered_politely_and_soon(event: str, kind: str, body: bytes, guid: str) -> None:
    """Never an exception, never a server's failure, never slow; a hint names a repository and nothing else."""
    began = time.thread_time()
    answer, hints = taken(Call(event, guid, signature(body), kind, body))
    assert answer.status in {202, 400}
    assert time.thread_time() - began < 2
    assert all(repo.count("/") == 1 and repo.isprintable() for repo in hints)


@given(event=EVENTS, kind=KINDS, body=BODIES, given_=st.text() | st.binary(min_size=32, max_size=32).map(bytes.hex))
def test_without_the_secret_nothing_is_a_hint(event: str, kind: str, body: bytes, given_: str) -> None:
    """Whatever stands in the signature's place, it is a 401 and the loop hears nothing."""
    for header in (given_, f"sha256={given_}"):
        answer, hints = taken(Call(event, "guid", header, kind, body))
        assert (401, []) == (answer.status, hints)


@given(document=DOCUMENTS)
def test_a_queued_job_of_ours_is_always_heard(document: dict[str, Any]) -> None:
    """Whatever else a delivery says, a queued job with our label in a repository of ours wakes the loop."""
    about = document.get("workflow_job")
    job = {**(about if isinstance(about, dict) else {}), "status": "queued", "labels": ["runnerkit=1/gpu=t4"]}
    body = json.dumps({**document, "workflow_job": job, "repository": {"full_name": REPO}}).encode()
    answer, hints = taken(Call("workflow_job", "guid", signature(body), "application/json", body))
    assert ("hint", [REPO]) == (answer.outcome, hints)
