"""``examples/property-valuation``: the whole story, and its statistics."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runnerkit.sandbox.ec2.identities import ACTION, AUDIENCE, PROVIDER
from tests.examples.conftest import EXAMPLES
from tests.examples.registries import PASSWORD, USER, base, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runnerkit.sandbox.github.records import Issue, Job, Run
    from tests.examples.conftest import Play
    from tests.sandbox.containers.podman import Podman
    from tests.theatre import Theatre

NAME = "property-valuation"
EXAMPLE = EXAMPLES / NAME
BUCKET = "acme-models"
ENVIRONMENT = "model-runs"
PATIENCE = 560.0
INPUTS = {
    "run_note": "new sales; $(touch never)",
    "run_type": "candidate",
    "repro_ingest": "true",
    "subset_enable": "true",
    "iterations": "20",
    "type": "c7i.xlarge",
    "spot": "never",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    """An engine and its registry."""
    with running() as podman:
        yield podman


@pytest.fixture
def theatre(play: Play, engine: Podman, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Theatre:
    """The repository with all that its README asks for, and the sales that its lock names on the remote."""
    theatre = play(NAME)
    monkeypatch.setenv("RUNNERKIT_SANDBOX_DOCKER_HOST", engine.address)
    github, repo = theatre.world.github, theatre.repo
    variables = {"REGISTRY": engine.registry.host, "REGISTRY_USER": USER, "BASE_IMAGE": base(engine)}
    for name, value in {**variables, "RUNNERKIT": "runnerkit", "AWS_REGION": "us-east-1"}.items():
        github.set_variable(repo, name, value)
    github.set_secret(repo, "REGISTRY_PASSWORD", PASSWORD)
    github.add_environment(repo, ENVIRONMENT, reviewers=["octocat"])
    # Of the environment: no job sees it that nobody approved.
    github.set_secret(repo, "RUNNERKIT_TOKEN", github.add_token("fine-grained"), environment=ENVIRONMENT)
    github.set_variable(repo, "AWS_ROLE_ARN", role(theatre))
    ingested(theatre, tmp_path)
    return theatre


def role(theatre: Theatre) -> str:
    """The data's role, which trusts every job of the repository as the README says."""
    ec2 = theatre.world.ec2
    like = {"StringEquals": {f"{PROVIDER}:aud": AUDIENCE}, "StringLike": {f"{PROVIDER}:sub": f"repo:{theatre.repo}:*"}}
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ec2.account}:oidc-provider/{PROVIDER}"},
        "Action": f"sts:{ACTION}",
        "Condition": like,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = theatre.world.aws("iam").create_role(RoleName="data", AssumeRolePolicyDocument=policy)
    return str(made["Role"]["Arn"])


def ingested(theatre: Theatre, folder: Path) -> None:
    """Put the sales where a colleague would have pushed them."""
    (folder / "warehouse").symlink_to(EXAMPLE / "warehouse")
    subprocess.run([sys.executable, str(EXAMPLE / "src/ingest.py")], cwd=folder, check=True, capture_output=True)
    sales = (folder / "data/sales.csv").read_bytes()
    digest = hashlib.md5(sales, usedforsecurity=False).hexdigest()
    lock = yaml.safe_load((EXAMPLE / "dvc.lock").read_text(encoding="utf-8"))
    assert lock["stages"]["ingest"]["outs"] == [
        {"path": "data/sales.csv", "hash": "md5", "md5": digest, "size": len(sales)}
    ]
    key = f"{NAME}/files/md5/{digest[:2]}/{digest[2:]}"
    theatre.world.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=sales)


def of(theatre: Theatre, run: Run) -> dict[str, Job]:
    """A run's jobs by their names."""
    return {job.name: job for job in theatre.jobs(run)}


def subscribed(theatre: Theatre) -> Callable[[], list[str]]:
    """Make the topic, and a queue that hears it; what the queue has heard."""
    sns, sqs = theatre.world.aws("sns"), theatre.world.aws("sqs")
    topic = sns.create_topic(Name="model-runs")["TopicArn"]
    queue = sqs.create_queue(QueueName="model-runs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    theatre.world.github.set_variable(theatre.repo, "SNS_TOPIC_ARN", topic)

    def heard() -> list[str]:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
        return [str(each["Body"]) for each in found]

    return heard


def status(theatre: Theatre, run: Run, name: str) -> str:
    """A job's status; one that its run has not made yet has none."""
    job = of(theatre, run).get(name)
    return job.status if job else ""


def keys(theatre: Theatre, prefix: str) -> list[str]:
    """What the bucket has below the project's own prefix."""
    found = theatre.world.aws("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{NAME}/{prefix}")
    return [each["Key"] for each in found.get("Contents", [])]


def log(job: Job) -> str:
    """What a job said, without the times."""
    return "".join(line[29:] for line in job.log.splitlines(keepends=True))


def test_three_runs(theatre: Theatre, engine: Podman) -> None:
    """One dispatched with inputs and one of a pull request, at once, on a machine each; then one on Batch."""
    github, repo = theatre.world.github, theatre.repo
    messages = subscribed(theatre)
    theatre.world.ec2.batch.engine("podman", environ=engine.environ())
    first = github.dispatch(repo, "run-model.yml", "main", INPUTS)
    theatre.until("the image is built", lambda: status(theatre, first, "image") == "completed", PATIENCE)
    assert of(theatre, first)["image"].conclusion == "success", theatre.describe()
    github.push(repo, changed("iterations: 150", "iterations: 30"), branch="fewer-trees", message="Fewer trees")
    pull = github.open_pull_request(repo, head="fewer-trees", title="Fewer trees")
    (second,) = [run for run in theatre.runs if run.id != first.id]
    both = (first, second)
    theatre.until("both wait", lambda: all(status(theatre, run, "launch") == "waiting" for run in both), PATIENCE)
    assert theatre.machines() == []
    for run in both:
        github.approve(run, ENVIRONMENT, "octocat")
    theatre.until_over(PATIENCE)
    github.push(repo, changed("fewest_sales: 5", "fewest_sales: 20"), branch="large-areas", message="Large areas only")
    third = github.dispatch(repo, "run-model.yml", "large-areas", INPUTS | {"where": "batch", "repro_ingest": "false"})
    theatre.until("Batch waits", lambda: status(theatre, third, "batch") == "waiting", PATIENCE)
    github.approve(third, ENVIRONMENT, "octocat")
    theatre.ends("success", machines=2, pull=pull)
    for run in (*both, third):
        skipped = {"launch", "train"} if run is third else {"batch"}
        found = {job.name: job.conclusion for job in theatre.jobs(run)}
        names = ("image", "launch", "train", "batch", "report")
        expected = {name: "skipped" if name in skipped else "success" for name in names}
        assert found == expected, theatre.describe()
        assert len(theatre.world.asked(f"/repos/{repo}/actions/runs/{run.id}/approvals")) == 1

    built_once(theatre, engine, both)
    on_two_machines(theatre, first, second)
    on_batch(theatre, first, third)
    reported(theatre, pull, messages(), [run.id for run in (*both, third)])


def changed(old: str, new: str) -> dict[str, str]:
    """The params with another value."""
    params = (EXAMPLE / "params.yaml").read_text(encoding="utf-8")
    assert old in params
    return {"params.yaml": params.replace(old, new)}


def built_once(theatre: Theatre, engine: Podman, runs: tuple[Run, Run]) -> None:
    """The first run's image is everybody's."""
    first, second = (log(of(theatre, run)["image"]) for run in runs)
    assert ("is not there yet" in first, "STEP 1/" in first) == (True, True)
    assert ("is there already" in second, "STEP 1/" in second) == (True, False)
    registry: Any = engine.registry
    tags = json.loads(registry.ask("/v2/acme/property-valuation/model/tags/list"))["tags"]
    # The third run's has the code of its commit in it.
    assert sorted(len(tag) for tag in tags) == [16, 16 + 1 + 40]
    assert PASSWORD not in first


def on_two_machines(theatre: Theatre, first: Run, second: Run) -> None:
    """The inputs chose the machine and were variables of the job; what was not given is the default."""
    machines = {(each.type, each.market) for each in theatre.machines()}
    assert machines == {("c7i.xlarge", "on-demand"), ("m7i.2xlarge", "spot")}
    one, two = (of(theatre, run)["train"] for run in (first, second))
    assert one.runner_name != two.runner_name
    begun = [job.started_at for job in (one, two) if job.started_at]
    over = [job.completed_at for job in (one, two) if job.completed_at]
    assert max(begun) < min(over), "they were not at once"
    note = INPUTS["run_note"]
    assert f"A run of type candidate on c7i.xlarge (spot: never, disk: 60gb): {note}" in log(one)
    assert "A run of type test on m7i.2xlarge+m6i.2xlarge (spot: prefer, disk: 60gb): Fewer trees" in log(two)
    assert ("2930 sales" in log(one), "2930 sales" in log(two)) == (True, False), "ingest is frozen"
    assert "5 stages run, 0 restored" in log(one)
    assert "4 stages run, 1 restored" in log(two)
    assert "learned from 647 sales" in log(one)
    assert [call.action for call in theatre.world.ec2.calls].count(ACTION) >= len(machines), "their own sessions"


def on_batch(theatre: Theatre, first: Run, third: Run) -> None:
    """The same command really ran there: two stages were computed, and the others found as the machine left them."""
    (job,) = theatre.world.ec2.batch.jobs()
    assert (job["status"], job["exit_code"], job["type"]) == ("SUCCEEDED", 0, "c7i.xlarge")
    said = log(of(theatre, third)["batch"])
    assert "2 stages run, 3 restored" in said
    assert [f"Running stage '{name}'" in said for name in ("assess", "evaluate", "report")] == [False, True, True]
    assert "cloudwatch/home" in said
    assert theatre.world.ec2.batch.left()["jobs"] == 0
    s3 = theatre.world.aws("s3")
    pages = [
        s3.get_object(Bucket=BUCKET, Key=f"{NAME}/runnerkit/reports/{run.id}/performance.html")["Body"].read()
        for run in (first, third)
    ]
    assert [b"IAAO range" in page for page in pages] == [True, True]
    assert pages[0].count(b"<tr>") > pages[1].count(b"<tr>") > 0


def reported(theatre: Theatre, pull: Issue, messages: list[str], runs: list[int]) -> None:
    """Locks below the runs' ids, statistics and gate on the pull request, the page's link in each message."""
    locks = keys(theatre, "runnerkit/locks/")
    assert sorted(locks) == [f"{NAME}/runnerkit/locks/{run}/1.lock" for run in sorted(runs)]
    (comment,) = theatre.world.asked(f"/repos/{theatre.repo}/issues/{pull.number}/comments")
    body = comment["body"]
    assert "The gate does not hold, 2 of 3" in body
    for line in ("| \u274c | test.prd |", "| \u274c | test.prb |", "| \u2705 | test.cod |", "m7i.2xlarge spot in"):
        assert line in body
    assert "params.yaml: train.iterations | 30 | 150" in body
    assert len(messages) == len(runs)
    for run in runs:
        link = f"prefix={NAME}/runnerkit/reports/{run}/performance.html"
        assert [link in message for message in messages].count(True) == 1
