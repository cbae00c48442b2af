"""``examples/property-valuation``: the whole story, and its statistics."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.examples.conftest import EXAMPLES
from tests.examples.registries import PASSWORD, USER, base, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runnerkit.sandbox.github.records import Job, Run
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
    """podman and docker-registry."""
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
    github.set_secret(repo, "RUNNERKIT_TOKEN", github.add_token("fine-grained"))
    github.add_environment(repo, ENVIRONMENT, reviewers=["octocat"])
    ingested(theatre, tmp_path)
    return theatre


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


def test_three_runs(theatre: Theatre, engine: Podman) -> None:
    """One dispatched with inputs and one of a pull request, at once, on a machine each; then one on Batch."""
    github, repo = theatre.world.github, theatre.repo
    messages = subscribed(theatre)
    theatre.world.ec2.batch.engine("podman", environ=engine.environ())
    first = github.dispatch(repo, "run-model.yml", "main", INPUTS)
    theatre.until("the image is built", lambda: status(theatre, first, "image") == "completed", PATIENCE)
    assert of(theatre, first)["image"].conclusion == "success", theatre.describe()
    params = (EXAMPLE / "params.yaml").read_text(encoding="utf-8").replace("iterations: 150", "iterations: 30")
    github.push(repo, {"params.yaml": params}, branch="fewer-trees", message="Fewer trees")
    pull = github.open_pull_request(repo, head="fewer-trees", title="Fewer trees")
    (second,) = [run for run in theatre.runs if run.id != first.id]
    both = (first, second)
    theatre.until("both wait", lambda: all(status(theatre, run, "launch") == "waiting" for run in both), PATIENCE)
    assert theatre.machines() == []
    for run in both:
        github.approve(run, ENVIRONMENT, "octocat")
    theatre.until_over(PATIENCE)
    third = github.dispatch(repo, "run-model.yml", "main", INPUTS | {"where": "batch", "repro_ingest": "false"})
    theatre.until("Batch waits", lambda: status(theatre, third, "batch") == "waiting", PATIENCE)
    github.approve(third, ENVIRONMENT, "octocat")
    theatre.until_over(PATIENCE)
    for job in [job for run in theatre.runs for job in theatre.jobs(run)]:
        print("=====", job.name, job.conclusion, "\n".join(line[29:] for line in job.log.splitlines()))
    print(keys(theatre, ""))
    print(theatre.world.asked(f"/repos/{repo}/issues/{pull.number}/comments")[0]["body"])
    print(messages())
    print(theatre.world.ec2.batch.jobs(), theatre.world.ec2.batch.left())
    theatre.ends("success", machines=2, pull=pull)
