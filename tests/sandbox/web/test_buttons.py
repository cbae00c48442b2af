"""The buttons do what the same calls of the API do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.github.records import Environment

if TYPE_CHECKING:
    from runnerkit.sandbox.github.records import Job, Run
    from tests.sandbox.web.conftest import Day, Site

REPO = "acme/train"


def waiting(site: Site) -> Run:
    """Start a run that waits for octocat or hubot."""
    world = site.world
    for login in ("octocat", "hubot"):
        world.add_user(login)
    place = Environment(1, REPO, "production", world.clock.now(), ("octocat", "hubot"))
    world.state.environments[REPO, "production"] = place
    job = {"name": "deploy", "labels": ["gpu"], "status": "waiting", "environment": "production"}
    run = world.add_run(REPO, [job])
    world.wait_for(run, "production")
    return run


@pytest.mark.parametrize(("button", "verdict"), [("approve", "approved"), ("reject", "rejected")])
def test_review(site: Site, button: str, verdict: str) -> None:
    """A reviewer decides; the page tells who said what."""
    run = waiting(site)
    form = {"repository": REPO, "run": run.id, "environment": "production", "login": "hubot", "comment": "Looks right"}
    answer = site.press(button, form)
    assert (answer.status_code, answer.location) == (303, f"/{REPO}/actions/runs/{run.id}")
    said = run.approvals[0]
    assert (said.state, said.login, said.comment) == (verdict, "hubot", "Looks right")
    assert run.waiting_for == []
    html = site.text(f"/{REPO}/actions/runs/{run.id}")
    assert "Looks right" in html
    assert f"<b>hubot</b> {verdict}" in html
    assert "Approve</button>" not in html


def test_only_who_may_is_offered(site: Site) -> None:
    """Who started the run is not offered where that is ruled out; a timer alone asks nobody."""
    run = waiting(site)
    place = site.world.state.environments[REPO, "production"]
    place.prevent_self_review = True
    html = site.text(f"/{REPO}/actions/runs/{run.id}")
    assert "<option>hubot</option>" in html
    assert "<option>octocat</option>" not in html
    place.reviewers, place.wait_timer, run.path = (), 5, ".github/workflows/deploy.yml"
    html = site.text(f"/{REPO}/actions/runs/{run.id}")
    assert "deploy may go on once the environment's wait timer has run out." in html
    assert "Approve</button>" not in html


def test_strangers_do_not_review(site: Site) -> None:
    """Who is no reviewer is refused with the reason."""
    run = waiting(site)
    site.world.add_user("stranger")
    answer = site.press(
        "approve", {"repository": REPO, "run": run.id, "environment": "production", "login": "stranger"}
    )
    assert answer.status_code == 422
    assert "stranger is not a required reviewer of production" in answer.text
    assert run.waiting_for == ["production"]


def started(site: Site) -> Job:
    """Queue a job."""
    return site.world.queue_job(REPO, ["gpu"])


def test_cancel(site: Site) -> None:
    """A queued job is cancelled at once; what is over cannot be cancelled."""
    job = started(site)
    assert site.press("cancel", {"repository": REPO, "run": job.run_id}).status_code == 303
    assert job.conclusion == "cancelled"
    again = site.press("cancel", {"repository": REPO, "run": job.run_id})
    assert again.status_code == 409
    assert "Cannot cancel a workflow run that is completed." in again.text


@pytest.mark.parametrize(("button", "jobs"), [("rerun-failed", 1), ("rerun", 2)])
def test_run_again(site: Site, button: str, jobs: int) -> None:
    """Failed jobs, or all, are run again in a new attempt, not while the run is active."""
    run = site.world.add_run(REPO, [{"name": name, "labels": ["gpu"]} for name in ("good", "bad")])
    good, bad = site.world.jobs(run)
    site.world.finish_job(good)
    assert site.press(button, {"repository": REPO, "run": run.id}).status_code == 403
    site.world.finish_job(bad, "failure")
    assert site.press(button, {"repository": REPO, "run": run.id, "login": "octocat"}).status_code == 303
    assert run.latest.number == 2
    assert sum(job.status == "queued" for job in site.world.jobs(run)) == jobs


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"repository": REPO}, 422),
        ({"repository": REPO, "run": "x"}, 422),
        ({"repository": REPO, "run": 7}, 404),
        ({"repository": "acme/other", "run": 7}, 404),
        ({}, 422),
    ],
)
def test_bad_forms(day: Day, form: dict[str, object], status: int) -> None:
    """A form that names nothing, or nothing known, is answered with a page."""
    for button in ("approve", "cancel"):
        answer = day.press(button, form)
        assert answer.status_code == status
        assert "All repositories" in answer.text


def test_nothing_to_review(site: Site) -> None:
    """Approving without naming an environment, or one nobody waits for, is refused."""
    job = started(site)
    assert site.press("approve", {"repository": REPO, "run": job.run_id}).status_code == 422
    assert (
        site.press("approve", {"repository": REPO, "run": job.run_id, "environment": "production"}).status_code == 422
    )
