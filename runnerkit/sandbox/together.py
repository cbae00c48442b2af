"""The whole sandbox: a local EC2, a local GitHub and the machines between them."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.machines import HollowMachines

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Sandbox:
    """Everything runnerkit needs, on 127.0.0.1, for the length of a ``with`` block.

    ``environment()`` points any program at it: runnerkit's commands, boto3, PyGithub.

    Args:
        repository: The repository that exists from the start.
        boot: Seconds a machine takes until its runner listens.
        work: Seconds a job takes.
        ec2: A running EC2 to use (and leave running) instead of an own one.
    """

    def __init__(
        self,
        repository: str = "acme/widgets",
        *,
        boot: float = 1.0,
        work: float = 1.0,
        ec2: SandboxEc2 | None = None,
    ) -> None:
        self.repository = repository
        self._own_ec2 = ec2 is None
        self.ec2 = ec2 or SandboxEc2()
        self.github = GitHubWorld()
        self.machines = HollowMachines(self.ec2, self.github, boot=boot, work=work)
        self.folder = Path()
        self._token = ""
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="runnerkit-sandbox-"))
        self._open.callback(shutil.rmtree, self.folder, ignore_errors=True)
        if self._own_ec2:
            self._open.enter_context(self.ec2)
        self._open.enter_context(self.github)
        self._open.enter_context(self.machines)
        self.ec2.bake("gpu-ubuntu-24.04", {"runnerkit:recipe": "gpu-ubuntu-24.04"})
        self.github.add_repository(self.repository)
        self._token = self.github.add_token("fine-grained")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def environment(self) -> dict[str, str]:
        """The variables that point a program at this sandbox; folders for cache and journal included."""
        return {
            **self.ec2.environment(),
            **self.github.environment(self.repository, self._token),
            "RUNNERKIT_CACHE_DIR": str(self.folder / "cache"),
            "RUNNERKIT_STATE_DIR": str(self.folder / "state"),
        }

    def left(self) -> dict[str, int]:
        """How much there still is of everything that a launch makes, counted by asking EC2 and GitHub."""
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
        identity, secret, region = (self.ec2.environment()[key] for key in keys)
        ec2 = boto3.client(
            "ec2",
            endpoint_url=self.ec2.url,
            region_name=region,
            aws_access_key_id=identity,
            aws_secret_access_key=secret,
        )
        reservations = ec2.describe_instances(
            Filters=[{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        )["Reservations"]
        return {
            "instances": sum(len(reservation["Instances"]) for reservation in reservations),
            "runners": len(self.github.runners()),
            "volumes": len(ec2.describe_volumes()["Volumes"]),
            "launch_templates": len(ec2.describe_launch_templates()["LaunchTemplates"]),
        }
