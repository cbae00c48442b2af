"""The commands as processes: signals, exit codes, what is left running, and a remote on S3."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import boto3
import pytest

from runnerkit.sandbox.ec2 import SandboxEc2
from tests.job.workshop import Workshop, alive, run_file, states, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

LONG = "echo $$ > $COUNTERS/pid && sleep 60 && cat data.txt > model.txt"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def _pid_of_stage(workshop: Workshop) -> int:
    file = workshop.counters / "pid"
    until(lambda: file.exists() and file.read_text(encoding="utf-8").strip(), "the stage never started")
    return int(file.read_text(encoding="utf-8"))


class TestEndingFromOutside:
    """Whatever ends the command ends what the pipeline started."""

    def test_an_interrupt_to_the_command_alone_ends_the_training(self, workshop: Workshop) -> None:
        """GitHub signals the entry process only; DVC itself would ignore it and train on."""
        origin = workshop.origin(train=LONG)
        # As in the background of a shell, where SIGINT is ignored and would stay so for all that is started.
        words = f"trap '' INT; exec {shlex.quote(sys.executable)} -m runnerkit dvc run --json"
        command = subprocess.Popen(
            ["/bin/sh", "-c", words], cwd=origin, env=workshop.environ, stdout=subprocess.PIPE, text=True
        )
        stage = _pid_of_stage(workshop)
        command.send_signal(signal.SIGINT)
        output, _ = command.communicate(timeout=60)
        assert command.returncode == 130
        assert json.loads(output.splitlines()[-1])["error"]["code"] == "cancelled"
        assert not alive(stage)
        assert run_file(origin)["outcome"] == "cancelled"
        assert states(run_file(origin)) == {"prepare": "run", "train": "stopped", "evaluate": "not reached"}

    def test_a_killed_command_takes_the_training_with_it(self, workshop: Workshop) -> None:
        """GitHub's last step kills without a word; no training may go on unseen."""
        command = workshop.command(workshop.origin(train=LONG), "dvc", "run")
        stage = _pid_of_stage(workshop)
        command.kill()
        command.communicate(timeout=60)
        until(lambda: not alive(stage), "the training outlived the command")

    def test_a_command_whose_parent_is_gone_ends(self, workshop: Workshop) -> None:
        """A step's shell that is killed takes the pipeline with it; the result tells that it was stopped."""
        origin = workshop.origin(train=LONG)
        words = f"{shlex.quote(sys.executable)} -m runnerkit dvc run; true"
        shell = subprocess.Popen(
            ["/bin/sh", "-c", words],
            cwd=origin,
            env=workshop.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stage = _pid_of_stage(workshop)
        shell.kill()
        shell.wait()
        until(lambda: not alive(stage), "the training outlived its shell")
        until(lambda: run_file(origin)["outcome"] == "cancelled", "the result was never written")


class TestChecks:
    """What is missing is said before anything starts, with what to do about it."""

    def test_errors_name_what_is_missing_and_end_with_2(self, workshop: Workshop, tmp_path: Path) -> None:
        """No dvc, no repository, no remote, a repository of somebody else's."""
        origin = workshop.origin()
        (tmp_path / "elsewhere").mkdir()
        cases = [
            (origin, {"PATH": "/nowhere"}, "the command dvc is not on PATH"),
            (tmp_path / "elsewhere", {}, "not in a DVC repository"),
            (origin, {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}, "safe.directory"),
        ]
        commands = [(workshop.command(here, "dvc", "run", **extra), words) for here, extra, words in cases]
        told = [(command.communicate(timeout=60)[0], command.returncode, words) for command, words in commands]
        assert [(code, words in output) for output, code, words in told] == [(2, True)] * len(cases)

    def test_a_missing_remote_is_an_error_unless_nothing_shall_be_pushed(self, workshop: Workshop) -> None:
        """On a laptop one may run without any."""
        origin = workshop.origin(files={".dvc/config": "[core]\n    analytics = false\n"})
        refused = workshop.command(origin, "dvc", "run")
        output, _ = refused.communicate(timeout=60)
        assert (refused.returncode, "no default remote is configured" in output) == (2, True)
        preview = workshop.command(origin, "dvc", "run", "--no-push", "--dry-run")
        output, _ = preview.communicate(timeout=60)
        assert (preview.returncode, "would run: prepare" in output) == (0, True)


class TestARemoteOnS3:
    """The road that real jobs take, against the sandbox's S3."""

    def test_one_machine_computes_and_the_next_restores(self, workshop: Workshop, tmp_path: Path) -> None:
        """Nothing but endpoint and credentials in the environment tells the sandbox from AWS."""
        config = "[core]\n    remote = s\n['remote \"s\"']\n    url = s3://acme-models/unit\n"
        origin = workshop.origin(files={".dvc/config": config})
        summary = tmp_path / "summary.md"
        with SandboxEc2() as ec2:
            s3 = boto3.client(
                "s3",
                endpoint_url=ec2.url,
                aws_access_key_id="x",
                aws_secret_access_key="x",
                region_name="us-east-1",
            )
            s3.create_bucket(Bucket="acme-models")
            workshop.extra |= {
                "AWS_ENDPOINT_URL": ec2.url,
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_DEFAULT_REGION": "us-east-1",
                "GITHUB_STEP_SUMMARY": str(summary),
            }
            outcomes = []
            for here in (origin, workshop.clone()):
                command = workshop.command(here, "dvc", "run", "--json")
                output, _ = command.communicate(timeout=60)
                outcomes.append((command.returncode, set(states(json.loads(output.splitlines()[-1])).values())))
        assert outcomes == [(0, {"run"}), (0, {"restored"})]
        assert workshop.executed("train") == 1
        assert "| train | restored |" in summary.read_text(encoding="utf-8")
