"""``once``, ``run``, ``plan``, ``sweep``, ``status`` and ``terminate`` over real adapters."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.ec2 import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands.conftest import Bench

LABEL = "runnerkit=42/gpu=t4"
REPO = "acme/widgets"


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Wait for something to become true, within bounds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def passes(bench: Bench, condition: Callable[[], bool], number: int = 30) -> bool:
    """Do passes until something becomes true."""
    for _ in range(number):
        assert bench.run("once").code in {0, 9}
        if until(condition, 0.4):
            return True
    return False


def foreign_instance(bench: Bench) -> str:
    """A machine of somebody else in the same account, tagged with somebody else's words."""
    stage = Stage.of(bench.world.ec2)
    tags = [{"Key": "Name", "Value": "rk-1-1"}, {"Key": "runnerkit:owner", "Value": "another-team"}]
    made = stage.ec2.run_instances(
        ImageId=stage.image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    return str(made["Instances"][0]["InstanceId"])


def foreign_runner(bench: Bench) -> int:
    """A runner of somebody else whose name looks like ours."""
    body = json.dumps({"name": "rk-1-1", "runner_group_id": 1, "labels": ["self-hosted", "gpu"]}).encode()
    request = urllib.request.Request(
        f"{bench.world.github.url}/repos/{REPO}/actions/runners/generate-jitconfig",
        data=body,
        headers={"Authorization": f"Bearer {bench.environment['GITHUB_TOKEN']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(json.load(answer)["runner"]["id"])


def test_a_queued_job_gets_a_machine_and_everything_is_gone_afterwards(bench: Bench) -> None:
    """One pass launches for a waiting job; the job runs, and after a last pass nothing is left."""
    job = bench.world.github.queue_job(REPO, [LABEL])
    done = bench.run("once", "--json")
    assert done.code == 0, done.err
    assert [("launch", f"rk-{job.id}-1", True)] == [(a["action"], a["runner"], a["done"]) for a in done.json["actions"]]
    assert until(lambda: job.status == "completed")
    assert job.conclusion == "success"
    assert passes(bench, lambda: not any(bench.world.left().values()))


def test_a_second_pass_launches_nothing_more(bench: Bench) -> None:
    """A machine on its way is capacity: the next pass of another process sees it and waits."""
    bench.world.hollow.boot = 5.0
    bench.world.github.queue_job(REPO, [LABEL])
    bench.run("once")
    again = bench.run("once", "--json")
    assert [] == again.json["actions"]
    assert "on its way" in again.json["waiting"][0]["why"]
    assert len(bench.world.ec2.instances()) == 1


def test_two_controllers_at_once_launch_once(bench: Bench) -> None:
    """Two controllers that see the same queue want the same name, and only one of them gets it."""
    bench.world.hollow.boot = 5.0
    for _ in range(3):
        bench.world.github.queue_job(REPO, [LABEL])
    both = [bench.start("once", "--json") for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert len(bench.world.ec2.instances()) == 3
    assert len(bench.world.github.runners()) == 3


def test_a_matrix_shares_its_machines(bench: Bench) -> None:
    """Three jobs with one label get three machines, whichever takes which, and all finish."""
    jobs = [bench.world.github.queue_job(REPO, [LABEL]) for _ in range(3)]
    assert bench.run("once").code == 0
    assert until(lambda: all(job.status == "completed" for job in jobs))
    assert passes(bench, lambda: not any(bench.world.left().values()))


def test_a_machine_that_never_comes_up_is_replaced(bench: Bench) -> None:
    """Launched is a lease: a boot that fails is retired after its deadline and the job gets another machine."""
    job = bench.world.github.queue_job(REPO, [LABEL])
    bench.world.hollow.broken.add(f"rk-{job.id}-1")
    bench.environment["RUNNERKIT_POLICY__ONLINE_WITHIN"] = "2"
    assert passes(bench, lambda: job.status == "completed")
    assert job.runner_name == f"rk-{job.id}-2"
    assert passes(bench, lambda: not any(bench.world.left().values()))


def test_refused_jobs_are_told_and_get_nothing(bench: Bench) -> None:
    """Bad labels and public repositories are refused with a reason; other people's jobs are not ours to judge."""
    world = bench.world.github
    world.add_repository("acme/open", private=False)
    world.queue_job(REPO, ["runnerkit=1/gup=t4"])
    world.queue_job("acme/open", [LABEL])
    world.queue_job(REPO, ["ubuntu-latest"])
    world.queue_job(REPO, ["self-hosted", "gpu"])
    done = bench.run("once", "--json", "--repo", REPO, "--repo", "acme/open")
    assert {"label", "policy"} == {refused["error"]["code"] for refused in done.json["refused"]}
    assert len(done.json["refused"]) == 2
    assert [] == bench.world.ec2.instances()


def test_plan_shows_and_does_nothing(bench: Bench) -> None:
    """`plan` says what `once` would do, in words."""
    job = bench.world.github.queue_job(REPO, [LABEL])
    done = bench.run("plan")
    assert f"would launch rk-{job.id}-1" in done.out
    assert [] == bench.world.ec2.instances()
    assert bench.world.github.count("POST") == 0


def test_foreign_machines_and_runners_are_never_touched(bench: Bench) -> None:
    """Instances without our owner tag and runners without our birth label survive every command."""
    bench.world.github.queue_job(REPO, [LABEL])
    theirs = foreign_instance(bench)
    stranger = foreign_runner(bench)
    for words in (["once"], ["sweep"], ["terminate", "--all"], ["terminate", theirs], ["sweep"]):
        bench.run(*words)
        time.sleep(0.5)
    assert bench.world.ec2.instance(theirs).state == "running"
    assert stranger in {runner.id for runner in bench.world.github.runners()}


def test_status_shows_the_phase_of_every_machine(bench: Bench) -> None:
    """`status` lists machines with phase and hardware, for people and programs; then they are terminated by name."""
    name = bench.launch("--wait").json["machines"][0]["runner"]
    (machine,) = bench.run("status", "--json").json["machines"]
    assert ("ready", "g4dn.xlarge", "spot") == (machine["phase"], machine["type"], machine["market"])
    assert name in bench.run("status").out
    done = bench.run("terminate", name, "rk-9-9", "--json")
    assert (9, ["rk-9-9"], [(name, True)]) == (
        done.code,
        done.json["not_found"],
        [(machine["runner"], machine["done"]) for machine in done.json["machines"]],
    )
    assert until(lambda: not any(bench.world.left().values()))
    assert "no machines" in bench.run("status").out


def test_terminate_spares_a_machine_that_works(bench: Bench) -> None:
    """GitHub's refusal to delete a busy runner spares its machine, unless somebody insists."""
    bench.world.hollow.work = 60.0
    job = bench.world.github.queue_job(REPO, [LABEL])
    bench.run("once")
    assert until(lambda: job.status == "in_progress")
    assert "left alone" in bench.run("terminate", "--all").err
    assert bench.world.ec2.instances("running")
    assert bench.run("terminate", "--all", "--force").code == 0
    assert until(lambda: not bench.world.ec2.instances("pending", "running"))


def test_one_unreadable_repository_does_not_stop_the_others(bench: Bench) -> None:
    """A repository that GitHub fails for is left out of the pass, and its machines are not judged."""
    bench.world.github.add_repository("acme/other")
    bench.world.github.fail("GET", "/repos/acme/other/*", 502, times=None)
    bench.world.github.queue_job(REPO, [LABEL])
    done = bench.run("once", "--repo", REPO, "--repo", "acme/other")
    assert done.code == 9
    assert "acme/other: left out" in done.err
    assert len(bench.world.ec2.instances()) == 1


def test_run_polls_until_its_passes_are_done(bench: Bench) -> None:
    """`run` serves jobs that are queued while it runs."""
    served = threading.Event()
    process = bench.start("run", "--interval", "1", "--passes", "6")
    job = bench.world.github.queue_job(REPO, [LABEL])
    assert until(lambda: job.status == "completed", 30)
    served.set()
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["terminate"],
        ["terminate", "--all", "rk-1-1"],
        ["launch", "--runs-on", "x", "--gpu", "t4"],
        ["launch", "--gpu", "t4", "--dry-run", "--repo", "a/b/c"],
        ["launch", "--gpu", "t4", "--dry-run", "--repo", "acme/*"],
        ["status", "--repo", "widgets"],
    ],
)
def test_contradictory_words_are_bad_usage(bench: Bench, words: list[str]) -> None:
    """Words that contradict one another, or name no repository, end with exit code 2, do nothing, and say so."""
    people, programs = bench.run(*words), bench.run(*words, "--json")
    assert (2, 2, "", "") == (people.code, programs.code, people.out, programs.err)
    assert people.err
    assert programs.json["error"]["message"]
    assert bench.world.github.count() == 0
