"""Pages of runs that change: attempts, turns, and the way in from the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.github_world import call
from tests.sandbox.web.test_pages import words

if TYPE_CHECKING:
    from tests.sandbox.web.conftest import Site


def test_attempts(site: Site) -> None:
    """Each attempt has its page; buttons stand at the latest one only."""
    job = site.world.queue_job("acme/train", ["gpu"])
    run = site.world.state.live.runs[job.run_id]
    site.world.finish_job(job, "failure")
    site.world.rerun_failed(run)
    first = site.text(f"/acme/train/actions/runs/{run.id}/attempts/1")
    latest = site.text(f"/acme/train/actions/runs/{run.id}")
    assert "Failed" in words(first)
    assert "</button>" not in first
    assert "Queued" in words(latest)
    assert "Cancel run" in latest
    assert site.get(f"/acme/train/actions/runs/{run.id}/attempts/3").status_code == 404


def test_a_run_that_waits_for_its_turn(site: Site) -> None:
    """A run held back by its concurrency group says so."""
    run = site.world.add_run("acme/train")
    run.latest.gate, run.concurrency = "held", "deploy-main"
    html = site.text(f"/acme/train/actions/runs/{run.id}")
    assert "Another run is active in the concurrency group deploy-main." in html


def test_addresses_of_the_api_lead_here(site: Site, token: str) -> None:
    """The html_url of runs, jobs and check runs in the API's answers is a page that the world serves."""
    job = site.world.queue_job("acme/train", ["gpu"], name="train it")
    run = call(site.world, "GET", f"/repos/acme/train/actions/runs/{job.run_id}", token=token).body
    told = call(site.world, "GET", f"/repos/acme/train/actions/jobs/{job.id}", token=token).body
    check = f"{site.world.url}/acme/train/runs/{job.id}"
    for address in (run["html_url"], told["html_url"], check):
        assert "train it" in call(site.world, "GET", address).body
