from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit.github import views

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REPO = "acme/train"
RUNNER = {"id": 7, "name": "rk-5-1", "status": "offline", "busy": False, "labels": [{"name": "GPU"}], "version": None}
RUN: dict[str, Any] = {
    "id": 9,
    "status": "queued",
    "run_attempt": 2,
    "event": "push",
    "head_sha": "abc",
    "created_at": "2026-11-21T11:00:00Z",
    "repository": {"full_name": "acme/train", "private": True},
    "head_repository": {"full_name": "Acme/Train"},
}
JOB = {
    "id": 5,
    "run_id": 9,
    "status": "queued",
    "name": "train",
    "labels": ["gpu"],
    "created_at": "2026-11-21T11:30:00Z",
}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
scalars |= st.sampled_from(["queued", "2026-11-21T11:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
keys = st.sampled_from(
    sorted({*RUNNER, *RUN, *JOB, "full_name", "private", "user", "login", "body", "os", "architecture", "download_url"})
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=8), max_leaves=20
)


@given(anything)
@settings(max_examples=300)
def test_no_json_breaks_a_view(value: object) -> None:
    """Whatever GitHub sends, reading it yields something well-formed or None."""
    run = views.run(value, REPO)
    for job in (views.job(value, REPO, run, NOW), views.job(value, REPO, None, NOW)):
        assert job is None or (job.id > 0 and job.created_at.tzinfo is UTC and all(map(str, job.labels)))
    runner = views.runner(value, REPO, REPO)
    assert runner is None or (runner.id > 0 and runner.name)
    comment = views.comment(value, NOW)
    assert comment is None or comment.id > 0
    package = views.package(value)
    assert package is None or package.url


@pytest.mark.parametrize(
    ("more", "online", "busy", "connected"),
    [
        ({}, False, False, False),
        ({"version": "2.336.0"}, False, False, True),
        ({"status": "online"}, True, False, True),
        ({"busy": True}, False, True, True),
        ({"version": ""}, False, False, False),
    ],
    ids=["fresh", "was online", "online", "busy", "empty version"],
)
def test_a_runner_was_connected_when_anything_shows_it(
    more: dict[str, object], online: bool, busy: bool, connected: bool
) -> None:
    """A fresh just-in-time runner and a dead one are both offline; the version tells them apart."""
    runner = views.runner(RUNNER | more, REPO, REPO)
    assert runner is not None
    assert (runner.online, runner.busy, runner.connected, runner.labels) == (online, busy, connected, ("GPU",))


def test_a_run_of_the_repository_itself_is_no_fork_whatever_the_case() -> None:
    """GitHub's names do not differ by case."""
    run = views.run(RUN, REPO)
    assert run is not None
    assert (run.fork, run.private, run.attempt) == (False, True, 2)


@pytest.mark.parametrize("head", [None, {}, {"full_name": None}])
def test_a_head_that_is_gone_is_unknown_not_ours(head: object) -> None:
    """A deleted fork leaves null behind; that must not read as "no fork"."""
    run = views.run(RUN | {"head_repository": head}, REPO)
    assert run is not None
    assert run.fork is None


def test_a_head_elsewhere_is_a_fork() -> None:
    """Another full name is another repository."""
    run = views.run(RUN | {"head_repository": {"full_name": "stranger/train"}}, REPO)
    assert run is not None
    assert run.fork is True


def test_a_job_takes_from_its_run_what_it_does_not_tell() -> None:
    """Event, attempt, commit, privacy and fork are the run's; the job's own time stays."""
    job = views.job(JOB, REPO, views.run(RUN, REPO), NOW)
    assert job is not None
    assert (job.event, job.run_attempt, job.head_sha, job.private, job.fork) == ("push", 2, "abc", True, False)
    assert job.created_at == datetime(2026, 11, 21, 11, 30, tzinfo=UTC)


def test_a_job_without_its_run_leaves_unknown_what_it_does_not_tell() -> None:
    """Unknown is None, never a friendly guess."""
    job = views.job({"id": 5, "run_id": 9}, REPO, None, NOW)
    assert job is not None
    assert (job.private, job.fork, job.event, job.run_attempt, job.created_at) == (None, None, "", 1, NOW)


@pytest.mark.parametrize("number", [None, "5", 5.0, True, 0, -1])
def test_what_is_no_id_is_no_id(number: object) -> None:
    """True is not job number one."""
    assert views.job(JOB | {"id": number}, REPO, None, NOW) is None
    assert views.runner(RUNNER | {"id": number}, REPO, REPO) is None


@pytest.mark.parametrize(
    ("words", "limit", "cut"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("one two three", 8, "one two…"),
        ("cafe\u0301s x", 5, "caf…"),
        ("ab👩\u200d👧\u200d👦", 5, "ab…"),
        ("ab👍🏽cd", 4, "ab…"),
        ("ab❤\ufe0fcd", 4, "ab…"),
    ],
    ids=["fits", "cut", "no space before the end", "accent", "family", "skin tone", "emoji form"],
)
def test_a_text_is_cut_between_whole_characters(words: str, limit: int, cut: str) -> None:
    """No accent, joiner or skin tone is left alone at the end."""
    assert views.shortened(words, limit) == cut


@given(st.text(max_size=300), st.integers(1, 150))
def test_a_cut_text_is_never_too_long(words: str, limit: int) -> None:
    """The limit holds for every text, and what fits stays as it is."""
    cut = views.shortened(words, limit)
    assert len(cut) <= limit
    assert cut == words or cut.endswith("…")
