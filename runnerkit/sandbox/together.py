"""The whole sandbox: a local EC2, a local GitHub and the machines between them."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3

from runnerkit import tags
from runnerkit.errors import ConfigError
from runnerkit.permissions import Place, Use, policy
from runnerkit.sandbox.direct import direct
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.machines.hollow import HollowMachines

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.machines.nspawn import NspawnMachines

IMAGE = "gpu-ubuntu-24.04"
MACHINES = ("process", "nspawn", "hollow")
LAUNCHER = (Use.RUNNERS, Use.BURST, Use.CONNECT, Use.JOURNAL, Use.DOCTOR)
ALIVE = ["pending", "running", "stopping", "stopped"]


class Sandbox:
    """Everything runnerkit needs, on 127.0.0.1, for the length of a ``with`` block.

    ``environment()`` points any program at it: runnerkit's commands, boto3, PyGithub.

    Args:
        repository: The repository that exists from the start.
        boot: Seconds a machine takes until it starts its listener; nspawn machines take what they need.
        machines: ``process`` machines boot from their user data and run their jobs' steps (Linux); so do ``nspawn``
            ones (root on Linux), each with a real Debian, systemd and cloud-init; ``hollow`` ones keep the leases of
            machines, but a job that reaches one is simply over after ``work`` seconds.
        work: Seconds a job takes on a hollow machine.
        ec2: A running EC2 to use (and leave running) instead of an own one.
        folder: Where everything is kept; by default a folder that is removed in the end.
        say: Hears what takes long.
        enforce: AWS demands permissions: ``environment()`` has the keys of a user with the policies of whoever launches
            (:mod:`runnerkit.permissions`), jobs have those of a user with the policy of jobs.
    """

    def __init__(
        self,
        repository: str = "acme/widgets",
        *,
        boot: float = 1.0,
        machines: str = "process",
        work: float = 1.0,
        ec2: SandboxEc2 | None = None,
        folder: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
        enforce: bool = False,
    ) -> None:
        if machines not in MACHINES:
            raise ValueError(f"machines are {' or '.join(MACHINES)}, not {machines!r}")
        self.repository = repository
        self.boot = boot
        self.work = work
        self.folder = folder or Path()
        self._kind = machines
        self._own_folder = folder is None
        self._own_ec2 = ec2 is None
        self.ec2 = ec2 or SandboxEc2()
        self.github = GitHubWorld()
        self._say = say
        self._enforce = enforce
        self._launcher: dict[str, str] = {}
        self._job: dict[str, str] = {}
        self._hollow: HollowMachines | None = None
        self._nspawn: NspawnMachines | None = None
        self._token = ""
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            try:
                self._start(started)
            except OSError as error:
                raise ConfigError(
                    f"the sandbox cannot be started: {error}", hint="TMPDIR names another folder for what it keeps"
                ) from error
            self._open = started.pop_all()
        return self

    def _start(self, started: ExitStack) -> None:
        started.enter_context(direct())
        if self._own_folder:
            self.folder = Path(tempfile.mkdtemp(prefix="runnerkit-sandbox-"))
            started.callback(shutil.rmtree, self.folder, ignore_errors=True)
        if self._own_ec2:
            started.enter_context(self.ec2)
        started.enter_context(self.github)
        self.ec2.bake(IMAGE, {tags.RECIPE: IMAGE, tags.RUNNER_VERSION: self.github.options.runner_version})
        self.ec2.trust(lambda: self.github.service.machines.identities.public_key)
        if self._enforce:
            self._demand_permissions()
        self.github.add_repository(self.repository)
        self._token = self.github.add_token("fine-grained")
        if self._kind == "hollow":
            self._hollow = HollowMachines(self.ec2, self.github, boot=self.boot, work=self.work)
            started.enter_context(self._hollow)
            return
        from runnerkit.sandbox.machines import HostedRunners, ProcessMachines

        environ = self._for_runners()
        if self._kind == "nspawn":
            self._nspawn = self._make_nspawn(environ)
            started.enter_context(self._nspawn)
        else:
            started.enter_context(ProcessMachines(self.ec2, self.github, boot=self.boot, environ=environ))
        started.enter_context(HostedRunners(self.github, environ=environ))

    def _demand_permissions(self) -> None:
        place = Place(account=self.ec2.account)
        self._launcher = self.ec2.user("runnerkit-launch", policy(LAUNCHER, place))
        self._job = self.ec2.user("runnerkit-job", policy([Use.JOB, Use.NOTIFY, Use.MACHINE], place))
        self.ec2.enforce()

    def _make_nspawn(self, environ: dict[str, str]) -> NspawnMachines:
        from runnerkit.sandbox.machines.nspawn import NspawnMachines

        return NspawnMachines(self.ec2, self.github, environ=environ, say=self._say)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def hollow(self) -> HollowMachines:
        """The hollow machines, to break some of them.

        Raises:
            ValueError: This sandbox has others.
        """
        if self._hollow is None:
            raise ValueError(f"this sandbox has {self._kind} machines, or was not started")
        return self._hollow

    @property
    def nspawn(self) -> NspawnMachines:
        """The nspawn machines, to look into them.

        Raises:
            ValueError: This sandbox has others.
        """
        if self._nspawn is None:
            raise ValueError(f"this sandbox has {self._kind} machines, or was not started")
        return self._nspawn

    def environment(self) -> dict[str, str]:
        """The variables that point a program at this sandbox; folders for cache and journal included."""
        return {
            **self._ssh(),
            **self.ec2.environment(),
            **self._launcher,
            **self.github.environment(self.repository, self._token),
            "RUNNERKIT_CACHE_DIR": str(self.folder / "cache"),
            "RUNNERKIT_STATE_DIR": str(self.folder / "state"),
        }

    def _ssh(self) -> dict[str, str]:
        """How machines that have an sshd are reached: on this computer only, at a port that is free here."""
        if self._nspawn is None:
            return {}
        return {"RUNNERKIT_AMI__SSH_PORT": str(self._nspawn.ssh_port), "RUNNERKIT_AMI__SSH_FROM": "127.0.0.0/8"}

    def _for_runners(self) -> dict[str, str]:
        """What a runner of ours knows of the sandbox, as one on AWS knows of AWS."""
        aws = {**self.ec2.environment(), **self._job}
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL")
        # Asked whether it is up to date, pip would call home. Whether all else on this computer fits together is no
        # question of a job, and a slow one; pip wants that "no" to be written as 0.
        pip = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_WARN_CONFLICTS": "0"}
        own = {"RUNNERKIT_SANDBOX_PYTHON": sys.executable, **pip}
        return own | {f"RUNNERKIT_SANDBOX_{name}": aws[name] for name in names}

    def aws(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        """A boto3 client of the sandbox's AWS."""
        environ = self.ec2.environment()
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self.ec2.url,
            region_name=environ["AWS_REGION"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        )

    def asked(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """What the sandbox's GitHub answers to a GET of its API."""
        return self._call(path, None)

    def posted(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """What it answers to a POST."""
        return self._call(path, json.dumps(body).encode())

    def _call(self, path: str, data: bytes | None) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {self._token}"}
        request = Request(f"{self.github.url}{path}", data, headers)  # noqa: S310 - our own server
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return json.loads(answer.read())

    def left(self) -> dict[str, int]:
        """How much there still is of everything that a launch makes, counted by asking EC2 and GitHub."""
        ec2 = self.aws("ec2")
        alive = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ALIVE}])["Reservations"]
        return {
            "instances": sum(len(reservation["Instances"]) for reservation in alive),
            "runners": int(self.asked(f"/repos/{self.repository}/actions/runners")["total_count"]),
            "volumes": len(ec2.describe_volumes()["Volumes"]),
            "launch_templates": sum(map(_left_over, ec2.describe_launch_templates()["LaunchTemplates"])),
        }


def _left_over(template: dict[str, Any]) -> bool:
    """Whether nobody will use a launch template again; those that bursts share say until when they are kept."""
    marks = {tag["Key"]: tag["Value"] for tag in template.get("Tags", [])}
    return tags.moment(marks.get(tags.KEPT_UNTIL)) <= datetime.now(UTC)
