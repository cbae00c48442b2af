"""Whatever GitHub, or a proxy in its place, answers: only our errors come out."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from runnerkit.errors import ForgeError, ForgeRejected, ForgeUnavailable, RateLimited, RunnerkitError
from runnerkit.github import GitHubForge
from runnerkit.github.asks import Answer, Ask
from runnerkit.model import Job
from runnerkit.settings import GitHubSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REPO = "acme/train"
NOW = datetime(2026, 11, 21, tzinfo=UTC)

JOB = Job(5, 9, 1, REPO, "train", "queued", ("gpu",), NOW, head_sha="abc")
USES: dict[str, Callable[[GitHubForge], object]] = {
    "runners": lambda forge: forge.runners(REPO),
    "runner": lambda forge: forge.runner(REPO, 7),
    "runner by name": lambda forge: forge.runner_named(REPO, "rk-5-1"),
    "register": lambda forge: forge.register(REPO, "rk-5-1", ["gpu"]),
    "deregister": lambda forge: forge.deregister(REPO, 7),
    "downloads": lambda forge: forge.downloads(REPO),
    "queued": lambda forge: forge.queued(REPO),
    "active": lambda forge: [forge.active(REPO), forge.active(REPO)],
    "annotations": lambda forge: forge.annotations(REPO, 5),
    "gates": lambda forge: forge.gates(REPO, JOB),
    "repositories": lambda forge: forge.repositories("acme"),
    "file": lambda forge: forge.file(REPO, "runnerkit.yml"),
    "jobs": lambda forge: forge.jobs(REPO, 9),
    "attempt": lambda forge: forge.attempt(REPO, 9, 1),
    "job": lambda forge: forge.job(REPO, 5),
    "run": lambda forge: forge.run(REPO, 9),
    "run failed again": lambda forge: forge.rerun_failed(REPO, 9),
    "run job again": lambda forge: forge.rerun_job(REPO, 5),
    "cancel": lambda forge: forge.cancel(REPO, 9),
    "comments": lambda forge: forge.reports.comments(REPO, 1),
    "comment": lambda forge: forge.reports.comment(REPO, 1, "x"),
    "status": lambda forge: forge.reports.status(REPO, "abc", "success", "x"),
    "check": lambda forge: forge.reports.check(REPO, "abc", "x", "success", "t", "s"),
}


class Patient:
    """A clock that waits for nothing."""

    def __init__(self) -> None:
        self.waits = 0
        self.wakes = 0
        self.woken = False

    def now(self) -> datetime:
        """Each look is a second later."""
        return NOW + timedelta(seconds=self.waits)

    def wait(self, seconds: float) -> bool:
        """Count it."""
        assert seconds > 0
        self.waits += 1
        return self.woken

    def wake(self) -> None:
        """Count it."""
        self.wakes += 1


class Canned:
    """A wire that gives the same answers again and again."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = list(answers)
        self.sent: list[Ask] = []

    def send(self, ask: Ask, authorization: str) -> Answer:
        """The next answer."""
        assert authorization == "Bearer t"
        self.sent.append(ask)
        assert len(self.sent) < 2000
        return self.answers[(len(self.sent) - 1) % len(self.answers)]

    def close(self) -> None:
        """Nothing to close."""


def forge_on(*answers: Answer, clock: Patient | None = None) -> tuple[GitHubForge, Canned]:
    """A forge whose GitHub says only this."""
    forge = GitHubForge(GitHubSettings(token=SecretStr("t")), clock=clock or Patient())
    forge.close()
    canned = Canned(answers)
    forge._client._wire = canned  # type: ignore[assignment] # has all that the client uses of a wire
    return forge, canned


def said(body: object, status: int = 200, **headers: str) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body))


leaves = st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=12)
leaves |= st.sampled_from(["queued", "online", "2026-11-21T11:00:00Z", "rk-5-1", "gpu", REPO])
names = st.sampled_from(
    [
        "id",
        "run_id",
        "name",
        "status",
        "labels",
        "runner",
        "encoded_jit_config",
        "runners",
        "jobs",
        "workflow_runs",
        "total_count",
        "message",
        "errors",
        "created_at",
        "repository",
        "head_repository",
        "full_name",
        "body",
        "user",
        "environments",
        "state",
        "log_url",
        "type",
        "size",
        "encoding",
        "content",
        "permissions",
    ]
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=25
)
texts = (
    values.map(json.dumps) | st.text(max_size=30) | st.sampled_from(["[" * 50_000, "9" * 5000, "<html>", "", "\ud800"])
)
headers = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "x-ratelimit-remaining",
            "x-ratelimit-limit",
            "x-ratelimit-reset",
            "x-ratelimit-resource",
            "link",
            "etag",
            "x-accepted-github-permissions",
        ]
    ),
    st.text(max_size=10) | st.integers(-5, 10**12).map(str) | st.sampled_from(['<x>; rel="next"', "Sat, 21 Nov 2026"]),
    max_size=4,
)
statuses = st.sampled_from([200, 201, 202, 204, 301, 304, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503])


@pytest.mark.parametrize("name", USES)
@given(answers=st.lists(st.builds(Answer, statuses, headers, texts), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_only_our_errors_come_out(name: str, answers: list[Answer]) -> None:
    """Every use of the forge, against statuses, headers and bodies of any kind."""
    forge, _ = forge_on(*answers)
    with contextlib.suppress(RunnerkitError):
        USES[name](forge)


@pytest.mark.parametrize(
    "name", ["runners", "queued", "jobs", "comments", "downloads", "runner by name", "annotations", "repositories"]
)
@pytest.mark.parametrize("body", [{}, {"runners": None}, {"message": "ok"}, "text", None, 7], ids=str)
def test_a_list_that_is_none_is_not_empty(name: str, body: object) -> None:
    """Nobody may conclude from garbage that there are no runners or no jobs."""
    forge, _ = forge_on(said(body))
    with pytest.raises(ForgeUnavailable, match="could not be understood"):
        USES[name](forge)


def test_a_row_that_cannot_be_used_is_left_out_and_told() -> None:
    """A job without an id costs a warning, not the other jobs; the same warning is not repeated."""
    run = said({"total_count": 1, "workflow_runs": [{"id": 9}, {"name": "no id"}]})
    jobs = said({"total_count": 2, "jobs": [{"name": "odd", "status": "queued"}, {"id": 5, "status": "queued"}]})
    forge, _ = forge_on(*[run] * 6, jobs, run, run, jobs)
    for _ in range(2):
        assert [job.id for job in forge.queued(REPO)] == [5]
    assert list(forge.warnings) == [
        "GitHub listed a run of acme/train without an id; it was left out",
        "GitHub listed a job of run 9 of acme/train without an id; it was left out",
    ]


def test_a_count_that_lies_ends_with_the_first_empty_page() -> None:
    """A list that claims more than it has is not read for ever."""
    full = said({"total_count": 10_000, "runners": [{"id": 1, "name": "a"}]})
    forge, canned = forge_on(full, full, said({"total_count": 10_000, "runners": []}))
    assert len(forge.runners(REPO)) == 1
    assert len(canned.sent) == 3


def test_a_list_without_end_is_given_up_with_a_warning() -> None:
    """Links that always lead on are followed for a hundred pages."""
    forge, canned = forge_on(said({"total_count": 1, "runners": [{"id": 1, "name": "a"}]}, link='<x>; rel="next"'))
    assert len(forge.runners(REPO)) == 1
    assert len(canned.sent) == 100
    assert "has more than the 100 entries" in forge.warnings[0]


def test_no_more_than_a_thousand_runs_are_asked_for() -> None:
    """GitHub shows no more for a filter, whatever its count says."""
    page = said({"total_count": 5000, "workflow_runs": [{"id": 0, "name": "unusable"}]})
    forge, canned = forge_on(page)
    assert forge.queued(REPO) == []
    assert len(canned.sent) == 1 + 5 * 10


FILE = {"type": "file", "size": 3, "encoding": "base64", "content": "YWJj"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"size": 100_001}, "larger than 100 kB"),
        ({"content": "YWJj" * 60_000}, "larger than 100 kB"),
        ({"content": "/////w=="}, "no text in UTF-8"),
        ({"content": "a"}, "could not be understood"),
        ({"encoding": "none", "content": ""}, "could not be understood"),
    ],
)
def test_a_file_that_is_no_small_text_is_refused(change: dict[str, object], error: str) -> None:
    """Too large, binary, broken, or sent in a way nobody asked for."""
    forge, _ = forge_on(said(FILE))
    assert forge.file(REPO, "runnerkit.yml") == "abc"
    forge, _ = forge_on(said(FILE | change))
    with pytest.raises(ForgeError, match=error):
        forge.file(REPO, "runnerkit.yml")


@pytest.mark.parametrize("body", [[FILE], {"type": "dir"}, {"type": "symlink"}, {}], ids=str)
def test_what_is_no_file_is_none(body: object) -> None:
    """A folder, a link, a submodule."""
    forge, _ = forge_on(said(body))
    assert forge.file(REPO, "runnerkit") is None


def test_what_is_remembered_of_jobs_is_what_is_read_of_them() -> None:
    """Steps and addresses of a thousand jobs are not kept in memory."""
    row = {"id": 5, "run_id": 9, "name": "train", "status": "queued", "steps": [{"name": "x"}] * 50, "url": "y"}
    forge, _ = forge_on(said({"total_count": 1, "jobs": [row]}, etag='"1"'))
    assert [job.id for job in forge.jobs(REPO, 9)] == [5]
    assert "steps" not in repr(forge._client._pages)


@pytest.mark.parametrize("delete", [204, 404, 422, 500])
def test_a_runner_without_its_labels_is_taken_back(delete: int) -> None:
    """GitHub's list of labels is compared with ours whatever the case; a runner that lacks one can take no job."""
    runner = {"id": 7, "name": "rk-5-1", "labels": [{"name": "SELF-HOSTED"}]}
    made = said({"runner": runner, "encoded_jit_config": "x"}, 201)
    forge, canned = forge_on(made, said({"message": "because"}, delete))
    with pytest.raises(ForgeRejected, match="without the labels gpu"):
        forge.register(REPO, "rk-5-1", ["self-hosted", "GPU"])
    assert [ask.verb for ask in canned.sent] == ["POST", "DELETE"]


def test_another_name_than_asked_for_is_another_runner() -> None:
    """Whatever a server makes of the filter, a runner is found by its whole name alone."""
    forge, _ = forge_on(said({"total_count": 1, "runners": [{"id": 1, "name": "rk-5-11"}]}))
    assert forge.runner_named(REPO, "rk-5-1") is None


@pytest.mark.parametrize("body", [{}, {"runner": {"id": 7, "name": "x"}}, {"encoded_jit_config": "x"}], ids=str)
def test_a_registration_that_cannot_be_read_may_have_happened(body: object) -> None:
    """Whether there is a runner now is unknown, and only its name can tell; nothing is sent again."""
    forge, canned = forge_on(said(body, 201))
    with pytest.raises(ForgeUnavailable):
        forge.register(REPO, "rk-5-1", ["gpu"])
    assert len(canned.sent) == 1


def test_a_next_page_of_an_unchanged_full_one_is_found() -> None:
    """The first hundred comments are as they were, so their page is a 304, though there is a second page by now."""
    rows = [said([{"id": number} for number in range(1, 101)], etag='"1"'), said([])]
    forge, canned = forge_on(*rows, Answer(304, {}, ""), said([{"id": 101}]))
    assert [len(forge.reports.comments(REPO, 1)) for _ in range(2)] == [100, 101]
    assert [ask.params.get("page", 1) for ask in canned.sent] == [1, 2, 1, 2]


@pytest.mark.parametrize("text", ["", "<html>default backend - 404</html>", "[]", "{}"])
@pytest.mark.parametrize("name", ["runner", "deregister", "job", "run", "file"])
def test_a_404_that_is_not_githubs_means_nothing(name: str, text: str) -> None:
    """GitHub says "Not Found" in JSON; a proxy's page must never pass for a runner that is gone."""
    forge, _ = forge_on(Answer(404, {}, text))
    with pytest.raises(ForgeUnavailable, match="could not be understood") as caught:
        USES[name](forge)
    assert "github.api_url" in caught.value.hint


def test_unchanged_without_having_asked_is_no_answer() -> None:
    """A 304 to a request that named no ETag leaves nothing to show."""
    forge, _ = forge_on(Answer(304, {}, ""))
    with pytest.raises(ForgeUnavailable):
        forge.runners(REPO)


def test_a_wake_during_a_pause_reaches_the_loop() -> None:
    """Waiting for GitHub to recover must not swallow the hint that a job was queued."""
    clock = Patient()
    clock.woken = True
    forge, _ = forge_on(said({}, 500), clock=clock)
    with pytest.raises(ForgeUnavailable):
        forge.job(REPO, 5)
    assert (clock.waits, clock.wakes) == (2, 2)


class Turns:
    """One turn at a time, which tells how many came for one."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        time.sleep(0.05)  # the next one goes first


def test_who_waits_for_a_turn_is_stopped_by_a_refusal_meanwhile() -> None:
    """Fifty may be under way; of those behind them none calls after GitHub told one of the fifty to stop."""
    forge, canned = forge_on(said({"message": "slow down"}, 429, retry_after="90"))
    forge._client._under_way = turns = Turns()  # type: ignore[assignment] # all that is used of a semaphore
    with ThreadPoolExecutor(2) as pool:
        with turns._lock:
            looks = [pool.submit(forge.job, REPO, number) for number in (1, 2)]
            assert all(turns.came.acquire(timeout=30) for _ in looks)
        assert [type(look.exception(timeout=30)) for look in looks] == [RateLimited] * 2
    assert len(canned.sent) == 1


def test_memory_is_bounded() -> None:
    """However many runs are listed in a lifetime, old pages are forgotten."""
    forge, _ = forge_on(said({"total_count": 0, "jobs": []}, etag='"x"'))
    for number in range(1, 1900):
        forge.jobs(REPO, number)
    forge._client._wire = Canned([said({"total_count": 0, "jobs": []}, etag='"x"')])  # type: ignore[assignment] # see above
    for number in range(1900, 2200):
        forge.jobs(REPO, number)
    assert len(forge._client._pages) == 2048
