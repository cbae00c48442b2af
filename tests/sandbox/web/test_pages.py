"""Every page of a filled world shows what it is for."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.github.web import Pages
from tests.sandbox.web.conftest import Site
from tests.sandbox.web.story import REPO

if TYPE_CHECKING:
    from tests.sandbox.web.conftest import Day

RUNS = f"/{REPO}/actions/runs"


def words(html: str) -> str:
    """Give a page's text."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_home_lists_repositories(day: Day) -> None:
    """All repositories, what is open in them, and the newest runs."""
    seen = words(day.text("/"))
    assert "acme/ train-and-serve" in seen
    assert "1 open pull request" in seen
    assert "Serve model 41" in seen
    assert "labels" in words(day.text("/acme"))


def test_overview(day: Day) -> None:
    """Branches, commits, open pull requests, newest runs and how to clone."""
    seen = words(day.text(f"/{REPO}"))
    for each in (
        "longer-training",
        "Begin with a linear model",
        "Train for 40 epochs instead of 20",
        "Could not start",
    ):
        assert each in seen
    assert f"git clone http://127.0.0.1:8080/{REPO}.git" in seen


@pytest.mark.parametrize(("show", "there"), [("open", True), ("closed", False)])
def test_pull_requests(day: Day, show: str, there: bool) -> None:
    """Open and closed pull requests are told apart."""
    assert ("Train for 40 epochs" in day.text(f"/{REPO}/pulls?show={show}")) is there


def test_pull_request(day: Day) -> None:
    """Its text, its comments as rendered, who wrote them, and everything that was reported on its head."""
    html = day.text(f"/{REPO}/pull/{day.told.pull.number}")
    seen = words(html)
    assert "octocat wants to merge longer-training into main" in seen
    assert len(re.findall('<input [^>]*type="checkbox"', html)) == 3
    assert len(re.findall('<input [^>]*checked=""', html)) == 2
    assert '<td align="right"><strong>0.974</strong></td>' in html
    assert "<details><summary>Parameters that differ</summary>" in html
    assert f'<img src="/{REPO}/raw/longer-training/plots/loss.svg"' in html
    assert "runnerkit report: train" not in html, "HTML comments are marks for machines"
    assert "github-actions[bot] bot" in seen
    assert "Some checks have not finished yet" in seen
    assert "3 successful, 1 in progress, 2 queued" in seen
    assert "accuracy 0.974, 0.012 more than main" in seen


def test_image_of_the_repository(day: Day) -> None:
    """What a comment shows is served from the repository, and can do nothing as a page."""
    answer = day.get(f"/{REPO}/raw/longer-training/plots/loss.svg")
    assert answer.content_type == "image/svg+xml"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert day.get(f"/{REPO}/raw/longer-training/plots/none.svg").status_code == 404


def test_runs(day: Day) -> None:
    """Runs with their state, workflow, event, branch and duration; one workflow's alone on request."""
    seen = words(day.text(f"/{REPO}/actions"))
    for each in ("train #2 · push by octocat", "workflow_dispatch", "5m 16s", "In progress", "Waiting", "Failed"):
        assert each in seen
    chosen = words(day.text(f"/{REPO}/actions?workflow=deploy"))
    assert "Serve model 41" in chosen
    assert "Compare three seeds" not in chosen


def test_run(day: Day) -> None:
    """The picture of its jobs, summaries as rendered, artifacts to take."""
    html = day.text(f"{RUNS}/{day.told.running.id}")
    assert html.count('class="node"') == 4
    assert html.count('class="edge"') == 2
    assert '<td align="right">360</td>' in html
    assert "<s>nothing</s>" in html
    assert "340.0 KB" in html
    assert "Cancel run" in html
    assert "Re-run" not in html


def test_artifact(day: Day) -> None:
    """An artifact is handed out as a file, and only below its own run."""
    answer = day.get(f"{RUNS}/{day.told.running.id}/artifacts/{day.told.artifact.id}")
    assert answer.data == day.told.artifact.data
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''model.zip"
    assert day.get(f"{RUNS}/{day.told.failed.id}/artifacts/{day.told.artifact.id}").status_code == 404


def test_matrix(day: Day) -> None:
    """The legs of a matrix share a box; annotations have their levels; failed jobs can be run again."""
    html = day.text(f"{RUNS}/{day.told.failed.id}")
    assert html.count('class="node"') == 3
    assert re.search("train . 3<", html)
    assert 'class="remark error"' in html
    assert 'class="remark warning"' in html
    assert "The disk is 91 % full." in html
    assert "Re-run failed jobs" in html
    assert "Cancel run" not in html


def test_review(day: Day) -> None:
    """A run that waits for an environment offers the choice to its reviewers."""
    html = day.text(f"{RUNS}/{day.told.waiting.id}")
    assert "<option>octocat</option><option>hubot</option>" in html
    assert "Approve</button>" in html
    assert "Reject</button>" in html
    assert "Waits for a review of the environment production." in html


def test_refused_workflow(day: Day) -> None:
    """A workflow that GitHub would refuse shows its file, the line and what is wrong with it."""
    html = day.text(f"{RUNS}/{day.told.broken.id}")
    assert ".github/workflows/nightly.yml:9" in html
    assert "&#39;runs_on&#39; is no key of a job; did you mean &#39;runs-on&#39;?" in html
    assert '<span class="here"><i>9</i>    runs_on: runnerkit=nightly/gpu=t4' in html


def test_job(day: Day) -> None:
    """Steps with durations, the running one open, its log with colours, groups and warnings; the runner."""
    train = day.told.train
    html = day.text(f"{RUNS}/{train.run_id}/job/{train.id}")
    assert re.search(r'<details class="step running" id="step-3" data-step="3" open>', html)
    assert re.search(r'<details class="step success" id="step-1" data-step="1">', html)
    assert '<details class="fold" data-fold="1">' in html
    assert '<span class="fg2">✓</span> prepare is up to date' in html
    assert 'class="l warning"' in html
    assert f"/{REPO}/settings/actions/runners#runner-{train.runner_id}" in html
    assert "runnerkit=21000000004/gpu=t4" in html


def test_failed_job(day: Day) -> None:
    """What went wrong is unfolded and red."""
    failed = next(job for job in day.told.jobs_of(day.told.failed) if job.conclusion == "failure")
    html = day.text(f"{RUNS}/{failed.run_id}/job/{failed.id}")
    assert '<details class="step failure" id="step-3" data-step="3" open>' in html
    assert '<div class="l error">' in html
    assert "<b>Error: </b>Process completed with exit code 137." in html
    raw = day.get(f"{RUNS}/{failed.run_id}/job/{failed.id}/raw")
    assert raw.content_type == "text/plain; charset=utf-8"
    assert "##[error]Process completed with exit code 137." in raw.text


def test_stuck_job(day: Day) -> None:
    """A label that nobody has is named, on the job's page and among the runners."""
    stuck = day.told.stuck
    for path in (f"{RUNS}/{stuck.run_id}/job/{stuck.id}", f"/{REPO}/settings/actions/runners"):
        html = day.text(path)
        assert "No runner with these labels is registered." in html
        assert re.findall(r'label missing">([^<]+)', html) == ["gpu=h100"], "somebody has self-hosted"


def test_runners(day: Day) -> None:
    """Runners with labels, state, job and what their age means."""
    seen = words(day.text(f"/{REPO}/settings/actions/runners"))
    for each in ("Active", "Idle", "Offline", "runnerkit=42/gpu=t4", "Never online yet", "registered 1 minute ago"):
        assert each in seen
    assert "Runners of acme" in words(day.text("/organizations/acme/settings/actions/runners"))


def test_settings(day: Day) -> None:
    """Environments with reviewers and what waits; webhooks with their deliveries and no secret."""
    seen = words(day.text(f"/{REPO}/settings/environments"))
    for each in ("production", "Reviewers:", "hubot", "Serve model 41", "No review is needed"):
        assert each in seen
    hooks = day.text(f"/{REPO}/settings/hooks")
    for each in ("http://127.0.0.1:8099/hook", "workflow_job.queued", "no answer", "signed"):
        assert each in words(hooks)
    assert "s3cret" not in hooks


def test_commit(day: Day) -> None:
    """A commit, abbreviated or not, shows what was reported on it."""
    sha = day.told.failed.head_sha
    for each in (sha, sha[:7]):
        seen = words(day.text(f"/{REPO}/commit/{each}"))
        assert "Compare three seeds" in seen
        assert "train / train (2)" in seen


@pytest.mark.parametrize(
    "path",
    [
        "/nobody",
        "/acme/nothing",
        f"/{REPO}/pull/99",
        f"{RUNS}/1",
        f"{RUNS}/x",
        f"{RUNS}/1/job/2/log",
        f"/{REPO}/commit/f00",
    ],
)
def test_unknown_addresses(day: Day, path: str) -> None:
    """What does not exist is said on a page with a way back."""
    html = day.text(path, 404)
    assert "There is only sand here" in html
    assert 'href="/"' in html


def test_every_answer_is_guarded(day: Day) -> None:
    """No inline script or style, no foreign frame, nothing kept; also where something is missing."""
    for path in ("/", f"/{REPO}", "/nobody", f"{RUNS}/{day.told.train.run_id}/job/{day.told.train.id}/raw"):
        headers = day.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_assets_come_from_here(day: Day) -> None:
    """Pages name nothing outside, and what they name is there."""
    html = day.text(f"/{REPO}/pull/{day.told.pull.number}")
    named = set(re.findall(r'(?:href|src)="(/_web/[^"]+|/avatars/[^"]+)"', html))
    assert len(named) >= 5
    assert {day.get(each).status_code for each in named} == {200}
    assert not re.findall(r'(?:src|<link [^>]*href)="(?:https?:)?//', html)
    assert day.get("/_web/static/nothing.css").status_code == 404
    assert day.get("/favicon.ico").status_code == 301


def test_unchanged_pages_are_not_sent_again(day: Day) -> None:
    """An open page asks with its fingerprint and gets nothing unless something has changed."""
    path = f"/{REPO}/actions"
    found = re.search(r'data-live="(\w+)"', day.text(path))
    assert found
    assert day.get(f"{path}?live={found[1]}").status_code == 204
    assert day.get(f"{path}?live=other").status_code == 200


def test_nothing_is_held_while_a_page_is_made(day: Day) -> None:
    """Templates render outside the world's lock: a slow page delays no runner."""
    pages, free = Pages(day.world.state), list[bool]()
    render, moved = pages._render, day.world.state.moved

    def try_to_hold() -> None:
        free.append(moved.acquire(blocking=False))
        if free[-1]:
            moved.release()

    def watched(*given: object, **named: object) -> str:
        other = threading.Thread(target=try_to_hold)
        other.start()
        other.join()
        return render(*given, **named)

    pages._render = watched
    site = Site(day.world, pages)
    train = day.told.train
    for path in ("/", f"/{REPO}", f"{RUNS}/{train.run_id}", f"{RUNS}/{train.run_id}/job/{train.id}", "/nobody"):
        site.get(path)
    assert len(free) >= 5
    assert all(free)


def test_times(day: Day) -> None:
    """Times are relative, with the exact one as a tooltip."""
    html = day.text(f"{RUNS}/{day.told.passed.id}")
    assert re.search(
        r'<time datetime="2026-11-22T09:00:00.000Z" title="22 November 2026, 09:00:00 UTC" data-ago>2 hours', html
    )


def test_other_spellings(site: Site) -> None:
    """A repository's name in other letters and a trailing slash find the same page."""
    assert "acme/train" in words(site.text("/ACME/Train/")).replace(" / ", "/")
