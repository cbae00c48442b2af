"""Jobs of the local Batch in real containers: the image's files, its command's exit code, and a signal to its end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from runnerkit.cli.batch import app
from runnerkit.sandbox.ec2.stage import connect
from tests.sandbox.containers.image import PRETTY
from tests.sandbox.containers.podman import IMAGE, STARTS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from runnerkit.sandbox.ec2 import SandboxEc2
    from tests.sandbox.containers.podman import Podman

PATIENCE = 3 * STARTS
LONG = "trap 'echo bye; exit 9' TERM; echo begun; while :; do sleep 0.05; done"


def test_a_job_runs_in_its_image_and_can_be_ended(
    podman: Podman, ec2_world: SandboxEc2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables go in, log and exit code come out, SIGTERM reaches the command, and no container stays."""
    for name, value in {**ec2_world.environment(), "RUNNERKIT_CACHE_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    ec2_world.batch.times(compute=0.02, queue=0.02, step=0.02, grace=PATIENCE)
    ec2_world.batch.engine("podman", environ=podman.environ())

    def run(*words: str) -> tuple[int, str]:
        ended = CliRunner().invoke(app, ["run", "--poll", "0.05", "--image", IMAGE, *words])
        return ended.exit_code, ended.stdout

    code, said = run("--env", "CODE=3", "--", "sh", "-c", f"cat /etc/os-release; ls {tmp_path}; exit $CODE")
    assert (3, True, True) == (code, PRETTY in said, "No such file" in said)

    ender = threading.Thread(target=_end_once_begun, args=(ec2_world,))
    ender.start()
    assert (9, "begun\nbye\n") == run("--", "sh", "-c", LONG)
    ender.join(PATIENCE)


def _end_once_begun(aws: SandboxEc2) -> None:
    logs, batch = connect(aws, "logs"), connect(aws, "batch")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for job in [each for each in aws.batch.jobs() if each["status"] == "RUNNING"]:
            if _has_begun(logs, batch, str(job["id"])):
                batch.terminate_job(jobId=job["id"], reason="asked to")
                return
        time.sleep(0.05)


def _has_begun(logs: Any, batch: Any, job_id: str) -> bool:  # noqa: ANN401 - boto3's clients
    (job,) = batch.describe_jobs(jobs=[job_id])["jobs"]
    try:
        page = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=job["container"]["logStreamName"])
    except logs.exceptions.ResourceNotFoundException:
        return False
    return any(event["message"] == "begun" for event in page["events"])
