"""An account to set up: one set of clients for all tests, a fresh account for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit import tags
from runnerkit.accounts import AwsAccount
from runnerkit.ec2.clients import Clients
from runnerkit.sandbox.ec2.stage import connect
from runnerkit.settings import AwsSettings
from runnerkit.setup.carrying import Setup
from runnerkit.setup.plan import WORK, Do
from runnerkit.setup.words import Wanted
from runnerkit.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runnerkit.sandbox.ec2 import SandboxEc2
    from runnerkit.setup.plan import Step

REGION = "us-east-1"
SETTINGS = AwsSettings(regions=(REGION,))
EVERYTHING = Wanted(
    tags={"team": "ml"}, repos=("acme/widgets",), environments=("gpu",), branches=("main",), burst=True, bake=True,
    batch=True, connect=True, journal="acme-journal/rk", data="acme-data/dvc", profile=True, budget=1_234_567.89,
    emails=("ml@example.com",),
)  # fmt: skip


@dataclass
class Office:
    """Somebody who sets an account up, and what anybody else does there."""

    ec2: SandboxEc2
    clients: Clients
    said: list[str] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)

    def setup(self, wanted: Wanted = EVERYTHING) -> Setup:
        """The set-up as another process would begin it."""
        return Setup(AwsAccount(SETTINGS, FakeClock(), self.clients), wanted, self.said.append)

    def plan(self, wanted: Wanted = EVERYTHING) -> Sequence[Step]:
        """What would be done."""
        setup = self.setup(wanted)
        return setup.plan(setup.where())

    def work(self, wanted: Wanted = EVERYTHING) -> dict[str, Do]:
        """The things that would be touched, and how."""
        return {step.resource.key: step.do for step in self.plan(wanted) if step.do in WORK}

    def make(self, wanted: Wanted = EVERYTHING) -> Sequence[Step]:
        """Do it."""
        setup = self.setup(wanted)
        return setup.carry_out(setup.plan(setup.where()))

    def removal(self, wanted: Wanted = EVERYTHING) -> Sequence[Step]:
        """What would be removed."""
        setup = self.setup(wanted)
        return setup.removal(setup.where())

    def remove(self, wanted: Wanted = EVERYTHING) -> Sequence[Step]:
        """Remove it."""
        return self.setup(wanted).carry_out(self.removal(wanted))

    def aws(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        """AWS as anybody else sees it."""
        if service not in self.others:
            self.others[service] = connect(self.ec2, service)
        return self.others[service]

    def machine(self, owner: str = "runnerkit", profile: str = "", **marks: str) -> str:
        """A machine with the owner's tag and others, perhaps with an instance profile; its id."""
        told = {tags.OWNER: owner, **{getattr(tags, key.upper()): value for key, value in marks.items()}}
        ec2 = self.aws("ec2")
        image = self.ec2.bake(f"image-of-{owner}", {}, gigabytes=8)
        made = ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro",
            **({"IamInstanceProfile": {"Name": profile}} if profile else {}),
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in told.items()]}
            ],
        )  # fmt: skip
        return str(made["Instances"][0]["InstanceId"])


@pytest.fixture(scope="module")
def _clients(_ec2_server: SandboxEc2) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ec2_server.environment().items():
            patch.setenv(name, value)
        yield Clients(replace_endpoint(_ec2_server))


def replace_endpoint(ec2: SandboxEc2) -> AwsSettings:
    """Settings that name the sandbox themselves: the clients outlive a test's variables."""
    return SETTINGS.model_copy(update={"endpoint_url": ec2.url})


@pytest.fixture(scope="module")
def _others() -> dict[str, Any]:
    return {}


@pytest.fixture
def office(ec2: SandboxEc2, _clients: Clients, _others: dict[str, Any]) -> Office:
    """An account in which nothing is set up, and nobody has used spot."""
    ec2.spot_role(exists=False)
    return Office(ec2, _clients, others=_others)
