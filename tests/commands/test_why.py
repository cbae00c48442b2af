"""``why`` over real adapters: from the first word to the last, without leaving a trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import EXIT_CODES
from tests.commands.test_loop import passes, until

if TYPE_CHECKING:
    from tests.commands.conftest import Bench

LABEL = "runnerkit=42/gpu=t4"
REPO = "acme/widgets"


def why(bench: Bench, what: object, *more: str) -> list[dict[str, object]]:
    """The answers about something."""
    told = bench.run("why", str(what), "--json", *more)
    assert told.code == 0, told.out + told.err
    answers: list[dict[str, object]] = told.json["answers"]
    return answers


def test_a_job_is_explained_from_the_queue_to_its_end(bench: Bench) -> None:
    """Not seen yet, on its way, done: each time with what is next, and in the end with the whole timeline."""
    bench.world.hollow.boot = 1.5
    job = bench.world.github.queue_job(REPO, [LABEL])
    (first,) = why(bench, job.id, "--repo", REPO)
    assert (first["verdict"], first["job"]) == ("launching", job.id)
    assert bench.run("once").code == 0
    (second,) = why(bench, job.id)
    assert second["verdict"] in {"coming", "runs"}, second
    assert passes(bench, lambda: job.status == "completed")
    assert passes(bench, lambda: not any(bench.world.left().values()))
    (last,) = why(bench, job.id)
    kinds = [moment["kind"] for moment in last["timeline"]]  # type: ignore[attr-defined]  # JSON
    assert (last["verdict"], last["runner"]) == ("done", f"rk-{job.id}-1")
    assert {"job-queued", "job-seen", "instance-launched", "job-taken", "job-over"} <= set(kinds), kinds


def test_people_read_the_answer_first(bench: Bench) -> None:
    """A sentence, then what happened and who says so, then what is next."""
    job = bench.world.github.queue_job(REPO, [LABEL])
    told = bench.run("why", str(job.id)).out.splitlines()
    assert told[0] == f"job {job.id} waits for the next pass, which launches rk-{job.id}-1"
    assert "GitHub" in told[1]
    assert f"next: the next pass of a controller launches rk-{job.id}-1" in told


def test_pages_runs_runners_and_instances_lead_to_the_same_machine(bench: Bench) -> None:
    """Whatever somebody has at hand."""
    bench.world.hollow.work = 30
    job = bench.world.github.queue_job(REPO, [LABEL])
    assert passes(bench, lambda: job.status == "in_progress")
    (instance,) = bench.world.ec2.instances()
    name = f"rk-{job.id}-1"
    page = f"{bench.world.github.url}/{REPO}/actions/runs/{job.run_id}"
    assert [a["verdict"] for a in why(bench, f"{page}/job/{job.id}")] == ["runs"]
    assert [(a["kind"], a["verdict"]) for a in why(bench, page)] == [("run", "going"), ("job", "runs")]
    assert [(a["subject"], a["verdict"], a["job"]) for a in why(bench, name)] == [(name, "busy", job.id)]
    assert [(a["subject"], a["verdict"], a["job"]) for a in why(bench, instance.id)] == [(name, "busy", job.id)]
    bench.world.ec2.interrupt(instance.id, 0)
    assert until(lambda: bench.world.ec2.instances("terminated") != [])
    bench.world.github.finish_job(job, "failure")
    (taken,) = why(bench, name)
    assert taken["verdict"] == "interrupted"
    assert "as attempt 2" in json.dumps(taken["next"])


def test_refused_gated_and_other_peoples_jobs(bench: Bench) -> None:
    """Without a pass of a controller: what would be refused is refused in the answer, too."""
    github = bench.world.github
    labels = {
        "refused": ["runnerkit=1/gup=t4"],
        "hosted": ["ubuntu-latest"],
        "nobody": ["self-hosted", "gpu"],
    }
    for verdict, wanted in labels.items():
        job = github.queue_job(REPO, wanted)
        (answer,) = why(bench, job.id, "--repo", REPO)
        assert answer["verdict"] == verdict, answer
    github.add_repository("acme/open", private=False)
    (answer,) = why(bench, github.queue_job("acme/open", [LABEL]).id, "--repo", "acme/open")
    assert answer["verdict"] in {"refused", "not-served"}


def test_it_changes_nothing_and_writes_nothing(bench: Bench) -> None:
    """No call that changes anything, and no word in the journal: `why` may run while a controller does."""
    job = bench.world.github.queue_job(REPO, [LABEL])
    state = Path(bench.environment["RUNNERKIT_STATE_DIR"])
    why(bench, job.id)
    assert {call.method for call in bench.world.github.calls} <= {"GET"}
    assert all(call.action.startswith(("Describe", "Get")) for call in bench.world.ec2.calls)
    assert not [path for path in state.rglob("journal*") if path.stat().st_size]


def test_what_cannot_be_found_says_where_it_looked(bench: Bench) -> None:
    """Exit code 2, with the repositories that were tried."""
    told = bench.run("why", "999999", "--json")
    assert (told.code, told.json["error"]["code"]) == (2, "nothing-known")
    assert REPO in told.json["error"]["message"]
    assert bench.run("why", "train").code == 2
    assert bench.run("why", f"https://github.com/{REPO}/actions/runs/1").code == 2


def test_without_github_a_machine_is_explained_in_part(bench: Bench) -> None:
    """EC2 and the journal tell what they know, and what GitHub would tell is said to be missing."""
    job = bench.world.github.queue_job(REPO, [LABEL])
    bench.world.hollow.boot = 30
    assert bench.run("once").code == 0
    closed = "http://127.0.0.1:9"
    told = bench.run("why", f"rk-{job.id}-1", "--json", GITHUB_API_URL=closed)
    assert told.code == 0, told.out
    (machine,) = told.json["answers"]
    assert (machine["verdict"], "GitHub could not be read" in " ".join(machine["unknown"])) == ("live", True)
    assert bench.run("why", "999999", GITHUB_API_URL=closed).code in {5, 8}
    assert 8 in EXIT_CODES
