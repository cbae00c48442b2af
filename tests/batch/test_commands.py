"""``runnerkit batch`` against the local AWS: commands really run, and everything is looked at from outside too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from runnerkit.batch.trouble import ACTIONS
from tests.batch.conftest import QUICK, asked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runnerkit.sandbox.ec2 import SandboxEc2
    from tests.batch.conftest import Bench

NOTHING = {"computes": 0, "queues": 0, "definitions": 0, "jobs": 0}
ROLE = "arn:aws:iam::123456789012:role/runs"
LONG = "trap 'echo bye; exit 9' TERM; echo begun; while :; do sleep 0.05; done"


def until(seen: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not seen() and time.monotonic() < end:
        time.sleep(0.02)
    assert seen()


def test_a_command_runs_as_if_it_ran_here_and_leaves_nothing_when_asked(batch: Bench, aws: SandboxEc2) -> None:
    """Log on standard output, states on standard error, its exit code; a second run makes nothing; then all goes."""
    script = "echo model trained; echo warning >&2; exit $CODE"
    failed = batch.run("--gpu", "t4", "--env", "CODE=3", "--", "sh", "-c", script)
    assert (3, "model trained\nwarning\n") == (failed.code, failed.out)
    for word in ("made the compute environment", "FAILED after", "exit code 3", "$252Faws$252Fbatch$252Fjob"):
        assert word in failed.err
    assert {"computes": 1, "queues": 1, "definitions": 1, "jobs": 0} == aws.batch.left()

    seen = asked(aws)
    aws.calls.clear()
    again = batch.run("--gpu", "t4", "--env", "CODE=0", "--json", "--", "sh", "-c", script)
    made = {call.action for call in aws.calls if call.action.startswith(("Create", "Register"))}
    assert (0, set()) == (again.code, made)
    told = again.json
    assert ("SUCCEEDED", 0, 1) == (told["job"]["state"], told["exit_code"], told["job"]["attempts"])
    assert "model trained" in again.err

    removed = batch.run("--gpu", "t4", "--env", "CODE=0", "--name", "last", "--remove", "--", "sh", "-c", script)
    assert (0, NOTHING) == (removed.code, aws.batch.left())
    assert "removed the role rk-batch-runnerkit-us-east-1" in removed.err
    # Nothing is asked of the reader that is never needed; AWS itself looks at the first line's.
    implied = {"batch:TagResource", "ec2:CreateTags", "iam:PassRole", "iam:TagInstanceProfile", "iam:TagRole"}
    assert implied | {"batch:CancelJob", "batch:TerminateJob"} == set(ACTIONS) - seen - asked(aws)


def test_a_preview_and_a_status_change_nothing(batch: Bench, aws: SandboxEc2) -> None:
    """The preview tells names and types; the status explains why a job waits."""
    shown = batch.run("--gpu", "t4", "--dry-run", "--", "make")
    assert "g4dn.xlarge" in shown.out
    assert "would be made" in shown.out
    assert "jobName" in json.loads(batch.run("--dry-run", "--json", "--", "make").out)["job"]
    assert NOTHING == aws.batch.left()
    assert "nothing of ours" in batch("status").out


def test_a_job_that_gets_no_machine_is_explained_and_given_up(batch: Bench, aws: SandboxEc2) -> None:
    """No spot machine is left: in words, exit code 4, and the job is gone."""
    aws.capacity("*", "*", "spot", 0)
    waits = batch.run("--gpu", "t4", "--explain-after", "0s", "--give-up-after", "0s", "--", "true")
    assert 4 == waits.code
    # Batch gives its reason some time after the state.
    assert any(words in waits.err for words in ("EC2 has no capacity for any allowed type", "not asked EC2"))
    assert "--on-demand" in waits.err
    (job,) = aws.batch.jobs()
    assert ("FAILED", "runnerkit gave up waiting for a machine") == (job["status"], job["reason"])


def test_wrong_surroundings_are_explained(batch: Bench, aws: SandboxEc2) -> None:
    """A compute environment that AWS calls INVALID, a job too large for its types, a queue that takes none."""
    aws.batch.invalid("CLIENT_ERROR - Not authorized to perform sts:AssumeRole")
    refused = batch.run("--", "true")
    assert 6 == refused.code
    assert "is INVALID: CLIENT_ERROR - Not authorized" in refused.err
    assert "runnerkit batch remove" in refused.err
    aws.batch.invalid("")
    assert 0 == batch("remove", *QUICK).code
    large = batch.run("--types", "m6i.large", "--memory", "900", "--explain-after", "0s", "--", "true")
    assert (6, True) == (large.code, "no type of the compute environments is large enough" in large.err)
    name = next(line for line in batch("status").out.splitlines() if line.startswith("queue")).split()[1].rstrip(":")
    assert 0 == batch.run("--queue", name, "--remove", "--", "true").code
    aws_batch = _client(aws, "batch")
    aws_batch.update_job_queue(jobQueue=name, state="DISABLED")
    closed = batch.run("--queue", name, "--", "true")
    assert (6, True) == (closed.code, "is disabled and takes no jobs" in closed.err)
    assert 2 == batch.run("--queue", "nobodys", "--", "true").code


def test_a_lost_machine_is_a_reason_to_repeat_and_a_failed_command_is_not(batch: Bench, aws: SandboxEc2) -> None:
    """The second attempt ends well; its number is in the command's environment, and both logs come out."""
    ends: list[object] = []
    script = "echo attempt $AWS_BATCH_JOB_ATTEMPT; test $AWS_BATCH_JOB_ATTEMPT = 2 || sleep 60"

    def follow() -> None:
        ends.append(batch.run("--retries", "1", "--", "sh", "-c", script))

    thread = threading.Thread(target=follow)
    thread.start()
    until(lambda: any(job["status"] == "RUNNING" for job in aws.batch.jobs()))
    logs = _client(aws, "logs")
    until(lambda: logs.describe_log_streams(logGroupName="/aws/batch/job")["logStreams"])
    assert 1 == aws.batch.lose_host()
    thread.join(60)
    (ended,) = ends
    assert (0, "attempt 1\nattempt 2\n") == (ended.code, ended.out)  # type: ignore[attr-defined]  # what the runner of commands gives
    assert "attempt 1 was lost: Host EC2 (instance i-" in ended.err  # type: ignore[attr-defined]  # what the runner of commands gives
    assert 5 == batch.run("--retries", "3", "--", "sh", "-c", "exit 5").code
    assert [2, 1] == [job["attempts"] for job in aws.batch.jobs()]


def test_an_answer_that_is_lost_makes_no_second_job(batch: Bench, aws: SandboxEc2) -> None:
    """The job is found by its name; the same step again follows it too."""
    aws.lose_answer("SubmitJob")
    assert (0, "once\n") == _code_and_out(batch.run("--", "echo", "once"))
    assert (0, "once\n") == _code_and_out(batch.run("--", "echo", "once"))
    assert 1 == len(aws.batch.jobs())
    assert 2 == len([0 for end in ("other", "attempt") if batch.run("--", "echo", end).code == 0])
    assert 3 == len(aws.batch.jobs())


def test_secrets_come_from_both_stores_and_roles_give_credentials(batch: Bench, aws: SandboxEc2) -> None:
    """A secret never appears in the request or the log; a command without a role has no credentials."""
    _client(aws, "ssm").put_parameter(Name="/acme/token", Value="swordfish-99", Type="SecureString")
    made = _client(aws, "secretsmanager").create_secret(Name="acme/registry", SecretString='{"user": "model-reader"}')
    script = "echo ${#API_TOKEN} ${#USER_NAME} ${#WHOLE} ${AWS_ACCESS_KEY_ID:-nobody} $GIVEN_SECRET"
    stores = {"API_TOKEN": "/acme/token", "USER_NAME": f"{made['ARN']}:user::", "WHOLE": made["ARN"]}
    words = [part for name, source in stores.items() for part in ("--secret-env", f"{name}={source}")]
    words += ["--execution-role", ROLE, "--env", "GIVEN_SECRET"]
    ended = batch.run(*words, "--", "sh", "-c", script, GIVEN_SECRET="open-sesame-1")
    assert "12 12 24 nobody ***\n" == ended.out
    assert "swordfish" not in str([call.parameters for call in aws.calls if call.service == "batch"])
    missing = batch.run("--secret-env", "A=/acme/none", "--execution-role", ROLE, "--", "true")
    assert (10, True) == (missing.code, "unable to pull secrets" in missing.err)
    aws.batch.unpullable("nowhere/*")
    absent = batch.run("--image", "nowhere/x", "--", "true")
    assert (10, True) == (absent.code, "CannotPullContainerError" in absent.err)


def test_an_image_holds_what_the_sandbox_was_told(batch: Bench, aws: SandboxEc2, tmp_path: Path) -> None:
    """A folder stands for an image's working directory; the job works on a copy."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("open('made', 'w').write('x'); print('from the image')")
    aws.batch.image("ghcr.io/acme/model:*", tmp_path / "code")
    assert "from the image\n" == batch.run("--image", "ghcr.io/acme/model:1", "--", "python", "main.py").out
    assert ["main.py"] == [path.name for path in (tmp_path / "code").iterdir()]


def test_a_job_is_explained_then_protected_then_ended_by_a_signal(batch: Bench, aws: SandboxEc2) -> None:
    """`status` says why it waits; `remove` leaves its queue and others' things; SIGINT terminates it: exit code 130."""
    aws.batch.hold("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none")
    own = {**os.environ, **batch.environ}
    command = [sys.executable, "-m", "runnerkit", "batch", "run", *QUICK, "--", "sh", "-c", LONG]
    with subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: any(job["status"] == "RUNNABLE" and job["reason"] for job in aws.batch.jobs()))
        (job,) = batch("status", "--json").json["jobs"]
        assert "EC2 has no capacity" in job["why"]
        others = {"RUNNERKIT_AWS__OWNER": "others"}
        assert 2 == batch("cancel", job["id"], **others).code
        assert 0 == batch("remove", "--force", *QUICK, **others).code
        assert "would remove job queue rk-runnerkit-cpu-spot-" in batch("remove", "--dry-run").out
        aws.batch.release()
        assert process.stdout is not None
        assert "begun\n" == process.stdout.readline()
        assert 9 == batch("remove", *QUICK).code
        assert 1 == aws.batch.left()["queues"]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert (130, True) == (process.returncode, "is over (FAILED)" in err)
    (told,) = aws.batch.jobs()
    assert ("FAILED", "runnerkit was interrupted", 9) == (told["status"], told["reason"], told["exit_code"])
    _cancel_by_name(batch, aws, batch("status", "--json").json["queues"][0]["name"])
    assert 0 == batch("remove", *QUICK).code
    assert NOTHING == aws.batch.left()


def _cancel_by_name(batch: Bench, aws: SandboxEc2, queue: str) -> None:
    client = _client(aws, "batch")
    (known,) = client.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    asked = {"jobQueue": queue, "jobDefinition": known["jobDefinitionArn"], "containerOverrides": {"command": ["cat"]}}
    aws.batch.hold()
    theirs = client.submit_job(jobName="theirs", **asked)["jobId"]
    client.submit_job(jobName="ours", **asked, tags={"runnerkit:owner": "runnerkit"})
    assert [2, 2, 2] == [batch("cancel", word).code for word in ("nobody", "theirs", theirs)]
    assert "FAILED" in batch("cancel", "ours").out
    aws.batch.release()
    until(lambda: not aws.batch.left()["jobs"])


def test_a_missing_permission_is_named(batch: Bench, aws: SandboxEc2) -> None:
    """Exit code 6, the permission, and whose policy."""
    aws.refuse("AccessDeniedException", "SubmitJob", message="no", status=403)
    refused = batch.run("--", "true")
    assert 6 == refused.code
    assert "allow batch:SubmitJob in the IAM policy" in refused.err


def _client(aws: SandboxEc2, service: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 - made at run time
    from runnerkit.sandbox.ec2.stage import connect

    return connect(aws, service)


def _code_and_out(ended: object) -> tuple[int, str]:
    return ended.code, ended.out  # type: ignore[attr-defined]  # what the runner of commands gives
