"""The local Batch by itself, through boto3: it refuses what AWS refuses, and its states are AWS's."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from runnerkit.sandbox.ec2.stage import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2 import SandboxEc2

Client = Any
RULES = [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]


def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:  # noqa: ANN401 - whatever is looked at
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.02)
    assert found
    return found


def environment(aws: SandboxEc2, **more: object) -> dict[str, Any]:
    ec2, iam = connect(aws, "ec2"), connect(aws, "iam")
    if not iam.list_instance_profiles()["InstanceProfiles"]:
        iam.create_instance_profile(InstanceProfileName="machines")
    subnet = ec2.describe_subnets()["Subnets"][0]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])["SecurityGroups"]
    resources = {
        "type": "SPOT", "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED", "minvCpus": 0, "maxvCpus": 8,
        "instanceTypes": ["m6i"], "subnets": [subnet["SubnetId"]], "securityGroupIds": [groups[0]["GroupId"]],
        "instanceRole": "machines",
    }  # fmt: skip
    return {"computeEnvironmentName": "spot", "type": "MANAGED", "computeResources": {**resources, **more}}


def definition(**more: object) -> dict[str, Any]:
    sizes = [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "1024"}]
    container = {"image": "x", "command": ["true"], "resourceRequirements": sizes, **more}
    return {"jobDefinitionName": "d", "type": "container", "containerProperties": container}


@pytest.fixture
def client(aws: SandboxEc2) -> Client:
    """Batch with a compute environment, a queue and a definition."""
    batch = connect(aws, "batch")
    batch.create_compute_environment(**environment(aws))
    until(lambda: _compute(batch)["status"] == "VALID")
    order = [{"order": 1, "computeEnvironment": "spot"}]
    batch.create_job_queue(jobQueueName="q", priority=1, computeEnvironmentOrder=order)
    batch.register_job_definition(**definition())
    return batch


def _compute(batch: Client) -> Any:  # noqa: ANN401 - boto3's
    return batch.describe_compute_environments(computeEnvironments=["spot"])["computeEnvironments"][0]


def submit(batch: Client, *command: str, **more: object) -> str:
    overrides = {"command": list(command)}
    made = batch.submit_job(jobName="j", jobQueue="q", jobDefinition="d", containerOverrides=overrides, **more)
    return str(made["jobId"])


def job(batch: Client, job_id: str, *states: str) -> Any:  # noqa: ANN401 - boto3's
    return until(lambda: next((j for j in batch.describe_jobs(jobs=[job_id])["jobs"] if j["status"] in states), None))


def test_wrong_requests_are_refused_as_aws_refuses_them(aws: SandboxEc2, client: Client) -> None:
    """One code for everything, and a sentence that says what is wrong."""
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("create_compute_environment", environment(aws), "already exists"),
        ("create_compute_environment", _named(environment(aws, allocationStrategy="BEST_FIT")), "spotIamFleetRole"),
        ("create_compute_environment", _named(environment(aws, instanceTypes=["z9"])), "not supported"),
        ("create_compute_environment", _named(environment(aws, allocationStrategy="CHEAP")), "not one of"),
        (
            "create_compute_environment",
            _named(environment(aws, ec2Configuration=[{"imageType": "ECS_AL2"}])),
            "not supported any more",
        ),
        ("create_job_queue", {"jobQueueName": "r", "priority": 1, "computeEnvironmentOrder": []}, "must not be empty"),
        ("register_job_definition", definition(resourceRequirements=[]), "VCPU and MEMORY"),
        ("register_job_definition", definition(secrets=[{"name": "A", "valueFrom": "a"}]), "executionRoleArn"),
        ("register_job_definition", definition(environment=[{"name": "AWS_BATCH_X", "value": ""}]), "AWS_BATCH"),
        ("register_job_definition", {**definition(), "timeout": {"attemptDurationSeconds": 59}}, "at least 60"),
        ("register_job_definition", {**definition(), "retryStrategy": {"attempts": 11}}, "between 1 and 10"),
        ("submit_job", {"jobName": "a b", "jobQueue": "q", "jobDefinition": "d"}, "not a valid name"),
        ("submit_job", {"jobName": "a", "jobQueue": "r", "jobDefinition": "d"}, "does not exist"),
        ("submit_job", {"jobName": "a", "jobQueue": "q", "jobDefinition": "d:7"}, "does not exist"),
        ("delete_compute_environment", {"computeEnvironment": "spot"}, "must be DISABLED"),
        ("delete_job_queue", {"jobQueue": "q"}, "must be DISABLED"),
        ("terminate_job", {"jobId": "nobody", "reason": "x"}, "does not exist"),
    ]
    for call, arguments, words in wrong:
        with pytest.raises(ClientError, match=words) as caught:
            getattr(client, call)(**arguments)
        assert "ClientException" == caught.value.response["Error"]["Code"]


def _named(request: dict[str, Any]) -> dict[str, Any]:
    return {**request, "computeEnvironmentName": "other"}


def test_revisions_count_and_the_newest_active_one_is_used(client: Client) -> None:
    """A deregistered revision is not used by its name any more."""
    second = client.register_job_definition(**definition(image="y"))
    assert 2 == second["revision"]
    client.deregister_job_definition(jobDefinition=second["jobDefinitionArn"])
    found = client.describe_job_definitions(jobDefinitionName="d")["jobDefinitions"]
    assert [(2, "INACTIVE"), (1, "ACTIVE")] == [(each["revision"], each["status"]) for each in found]
    assert job(client, submit(client, "true"), "SUCCEEDED")["jobDefinition"].endswith(":1")


def test_what_is_in_use_cannot_be_deleted(client: Client) -> None:
    """A compute environment goes after its queue, and a queue after it was disabled."""
    client.update_compute_environment(computeEnvironment="spot", state="DISABLED")
    until(lambda: _compute(client)["status"] == "VALID")
    with pytest.raises(ClientError, match="JobQueue relationship"):
        client.delete_compute_environment(computeEnvironment="spot")
    client.update_job_queue(jobQueue="q", state="DISABLED")
    until(lambda: client.describe_job_queues()["jobQueues"][0]["status"] == "VALID")
    client.delete_job_queue(jobQueue="q")
    until(lambda: not client.describe_job_queues()["jobQueues"])
    client.delete_compute_environment(computeEnvironment="spot")
    until(lambda: not client.describe_compute_environments()["computeEnvironments"])


def test_a_job_too_long_is_ended_and_not_repeated(aws: SandboxEc2, client: Client) -> None:
    """Its status says so, and its command was told by SIGTERM."""
    long = submit(client, "sleep", "60", timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})
    job(client, long, "RUNNING")
    aws.advance(61)
    over = job(client, long, "FAILED")
    assert ("Job attempt duration exceeded timeout", 143, 1) == (
        over["statusReason"], over["container"]["exitCode"], len(over["attempts"]),
    )  # fmt: skip


def test_rules_decide_which_failures_are_repeated(client: Client) -> None:
    """The first that fits; without a rule that fits the job is repeated."""
    strategies: list[tuple[dict[str, Any], int]] = [
        ({"attempts": 3, "evaluateOnExit": RULES}, 1),
        ({"attempts": 3, "evaluateOnExit": [{"onExitCode": "4", "action": "exit"}]}, 3),
        ({"attempts": 2}, 2),
    ]
    ids = [submit(client, "sh", "-c", "exit 3", retryStrategy=strategy) for strategy, _ in strategies]
    assert [many for _, many in strategies] == [len(job(client, id_, "FAILED")["attempts"]) for id_ in ids]


def test_jobs_wait_for_their_turn_and_say_why_they_cannot_run(client: Client) -> None:
    """Eight vCPUs hold four jobs of two; one that is too large is told so."""
    ids = [submit(client, "sleep", "60") for _ in range(5)]
    for id_ in ids[:4]:
        job(client, id_, "RUNNING")
    assert "RUNNABLE" == job(client, ids[4], "RUNNABLE")["status"]
    assert 8 == _compute(client)["computeResources"]["desiredvCpus"]
    client.cancel_job(jobId=ids[0], reason="x")
    assert "RUNNING" == client.describe_jobs(jobs=[ids[0]])["jobs"][0]["status"]
    client.terminate_job(jobId=ids[0], reason="enough")
    over = job(client, ids[0], "FAILED")
    assert ("enough", True) == (over["statusReason"], over["isTerminated"])
    job(client, ids[4], "RUNNING")
    client.register_job_definition(
        **definition(resourceRequirements=[{"type": "VCPU", "value": "9"}, {"type": "MEMORY", "value": "1"}])
    )
    large = submit(client, "true")
    until(lambda: "MAX_RESOURCE" in client.describe_jobs(jobs=[large])["jobs"][0].get("statusReason", ""))


def test_jobs_are_listed_by_state_and_by_name(client: Client) -> None:
    """By name in any case and in any state, the newest first; otherwise those that run."""
    ids = [submit(client, "true") for _ in range(2)]
    for id_ in ids:
        job(client, id_, "SUCCEEDED")
    named = client.list_jobs(jobQueue="q", filters=[{"name": "JOB_NAME", "values": ["J"]}])["jobSummaryList"]
    assert ids[::-1] == [each["jobId"] for each in named]
    assert [] == client.list_jobs(jobQueue="q")["jobSummaryList"]
    assert 2 == len(client.list_jobs(jobQueue="q", jobStatus="SUCCEEDED")["jobSummaryList"])


def test_lines_that_come_late_are_read_in_order(aws: SandboxEc2, client: Client) -> None:
    """The stream is the definition's name, `default`, and an id; empty lines are dropped, as CloudWatch has it."""
    aws.batch.times(log=0.2)
    id_ = submit(client, "sh", "-c", "echo a; echo; echo b; echo c >&2")
    stream = job(client, id_, "SUCCEEDED")["container"]["logStreamName"]
    assert stream.startswith("d/default/")
    logs = connect(aws, "logs")

    def lines() -> list[str]:
        try:
            page = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream, startFromHead=True)
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in page["events"]]

    until(lambda: len(lines()) == 3)
    assert ["a", "b", "c"] == lines()


def test_a_command_that_does_not_exist_is_dockers_error(client: Client) -> None:
    """No exit code, and the reason."""
    over = job(client, submit(client, "no-such-command"), "FAILED")
    assert "exitCode" not in over["container"]
    assert over["container"]["reason"].startswith("CannotStartContainerError")
    assert "Task failed to start" == over["statusReason"]


def test_scripts_work_from_another_process(aws: SandboxEc2, client: Client) -> None:
    """Over HTTP as from Python: a job is held, seen, released, and counted; what is no script is not there."""
    where = f"{aws.url}/_runnerkit/ec2/batch"

    def post(script: str, **given: object) -> Any:  # noqa: ANN401 - JSON
        with urlopen(f"{where}/{script}", json.dumps(given).encode(), timeout=30) as answer:
            return json.load(answer)["result"]

    post("hold", reason="CAPACITY:nothing")
    job_id = submit(client, "true")
    until(lambda: job(client, job_id, "RUNNABLE").get("statusReason"))
    with urlopen(f"{where}/jobs", timeout=30) as answer:
        (seen,) = json.load(answer)
    assert (job_id, "RUNNABLE", "CAPACITY:nothing") == (seen["id"], seen["status"], seen["reason"])
    assert {"computes": 1, "queues": 1, "definitions": 1, "jobs": 1} == post("left")
    post("unpullable", pattern="x")
    post("release")
    assert "CannotPullContainerError" in job(client, job_id, "FAILED")["container"]["reason"]
    with pytest.raises(HTTPError, match="404"):
        post("engine", command="podman")
