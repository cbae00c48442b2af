"""One story for each use: everything that it asks of AWS, by the real adapters, over one local AWS."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
from typer.testing import CliRunner

from runnerkit import tags as words
from runnerkit.announcing.sns import Topic
from runnerkit.aws.parameters import with_parameters
from runnerkit.batch.aws import AwsBatch
from runnerkit.cli.batch import app as batch_commands
from runnerkit.ec2 import Ec2Builders, Ec2Images
from runnerkit.ec2.sessions import Ec2Sessions
from runnerkit.errors import LaunchRejected
from runnerkit.job.notifying import Message, Moment
from runnerkit.journals.s3 import s3_journal
from runnerkit.journals.tidying import tidy
from runnerkit.names import Secret
from runnerkit.permissions import Place, Use
from runnerkit.ports import BatchOrder
from runnerkit.sandbox.ec2.stage import connect
from runnerkit.settings import AwsSettings
from runnerkit.stores.s3 import S3Store
from runnerkit.stores.signing import region_of
from runnerkit.testing.contracts.images import BakeryContract
from runnerkit.testing.contracts.journal import FAILURE, LATER, THEN
from tests.contract.ec2_world import REGION, T4, World
from tests.permissions.account_stories import doctoring, setting_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.baking.ports import Builders, Images
    from runnerkit.sandbox.ec2 import SandboxEc2

BUCKET, TOPIC, PATH = "acme-models", "runs", "/runnerkit-controller"
BURST = AwsSettings(regions=(REGION,), secrets="ssm", instance_profile="rk-machine")


@dataclass
class Ground:
    """A world in which a user may do what a policy says, and what others do in it beforehand."""

    world: World
    account: str

    @property
    def ec2(self) -> SandboxEc2:
        """The local AWS."""
        return self.world.ec2

    @property
    def place(self) -> Place:
        """Where the policies hold."""
        return Place(
            account=self.account,
            regions=(REGION,),
            roles=(f"arn:aws:iam::{self.account}:role/rk-machine",),
            journal=f"{BUCKET}/journal",
            data=f"{BUCKET}/dvc",
            topics=(f"arn:aws:sns:{REGION}:{self.account}:{TOPIC}",),
        )

    def root(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        """A client of somebody who may do everything, and is not runnerkit."""
        return connect(self.ec2, service, key=self.ec2.environment()["AWS_ACCESS_KEY_ID"])

    def furnish(self) -> None:
        """What an account has before: a bucket, a topic, a machine's role, parameters, and rubbish of ours."""
        self.root("s3").create_bucket(Bucket=BUCKET)
        self.root("sns").create_topic(Name=TOPIC)
        iam = self.root("iam")
        iam.create_role(RoleName="rk-machine", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName="rk-machine")
        iam.add_role_to_instance_profile(InstanceProfileName="rk-machine", RoleName="rk-machine")
        ssm = self.root("ssm")
        ssm.put_parameter(Name=f"{PATH}/github/token", Value="t", Type="SecureString")
        ssm.put_parameter(Name="/runnerkit/i-0gone", Value="x", Type="SecureString", Tags=[_tag(words.OWNER)])
        self._rubbish(self.root("ec2"))

    def _rubbish(self, ec2: Any) -> None:  # noqa: ANN401 - boto3's
        marks = [_tag(words.OWNER), _tag(words.BUILDER, "plain"), _tag(words.NAME, "gone")]
        ec2.create_volume(AvailabilityZone="us-east-1a", Size=8, TagSpecifications=[_on("volume", marks[:1])])
        data = {"ImageId": self.world.image_id}
        ec2.create_launch_template(
            LaunchTemplateName="left", LaunchTemplateData=data, TagSpecifications=[_on("launch-template", marks[:1])]
        )
        ec2.create_security_group(GroupName="left", Description="x", TagSpecifications=[_on("security-group", marks)])


def _tag(key: str, value: str = "runnerkit") -> dict[str, str]:
    return {"Key": key, "Value": value}


def _on(kind: str, tags: list[dict[str, str]]) -> dict[str, Any]:
    return {"ResourceType": kind, "Tags": tags}


def runners(ground: Ground) -> None:
    """Spot, then on-demand; marks, console, end; a template that stayed; the sweep of what was left behind."""
    world = ground.world
    cloud = world.cloud(AwsSettings(regions=(REGION,)))
    ground.ec2.capacity("*", "*", "spot", 0)
    launched = world.launch(cloud)
    assert [launched.instance_id] == [each.id for each in cloud.find("rk-77-1")]
    cloud.tag(REGION, launched.instance_id, {words.GONE_SINCE: "1"})
    cloud.tag(REGION, launched.instance_id, {words.GONE_SINCE: None})
    cloud.console(REGION, launched.instance_id)
    cloud.terminate(REGION, [launched.instance_id])
    cloud.image(T4, REGION, "arm64")
    world.clock.wait(3600)
    left = list(cloud.leftovers())
    assert {"volume", "launch-template", "parameter", "security-group"} == {each.kind for each in left}
    for each in left:
        cloud.remove(each)
    assert [] == list(cloud.leftovers())


def burst(ground: Ground) -> None:
    """Two machines of one call, each with a parameter of its own."""
    world = ground.world
    cloud = world.cloud(BURST)
    tries = world.tries(cloud)
    one = world.order(cloud, T4, tries)
    order = BatchOrder("b1", one.user_data, {**one.tags, words.BATCH: "b1"}, one.images, profile="rk-machine")
    for machine in cloud.launch_batch(order, tries, 2).launched:
        cloud.hand_over(REGION, machine.instance_id, {words.RUNNER: "rk-1"}, Secret("jit"))


def connecting(ground: Ground) -> None:
    """Whether a shell can be opened; the AWS CLI opens it."""
    machine = ground.root("ec2").run_instances(ImageId=ground.world.image_id, MinCount=1, MaxCount=1)
    assert (
        "" == Ec2Sessions(AwsSettings(regions=(REGION,))).access(REGION, machine["Instances"][0]["InstanceId"]).profile
    )


@dataclass
class Bench:
    """Both ports of the bakery over the ground."""

    builders: Builders
    images: Images
    clock: Any
    owner: str = "runnerkit"


def bake(ground: Ground) -> None:
    """A builder on a stock image, kept, read, stopped, made an image of; then everything goes."""
    settings, clock = AwsSettings(regions=(REGION,)), ground.world.clock
    builders = Ec2Builders(settings, clock=clock, cache_dir=ground.world.cache_dir)
    bench, suite = Bench(builders, Ec2Images(settings, clock=clock), clock), BakeryContract()
    # One of that name was left behind by somebody who was killed.
    left = [_on("launch-template", [_tag(words.OWNER)])]
    data = {"ImageId": ground.world.image_id}
    ground.root("ec2").create_launch_template(
        LaunchTemplateName="runnerkit-builder-plain-1", LaunchTemplateData=data, TagSpecifications=left
    )
    builders.end(builders.launch(replace(suite.order(bench, "spot"), spot=True)))
    builder = suite.running(bench)
    assert 1 == len(builders.live("plain", REGION))
    builders.keep(builder, clock.now() + timedelta(minutes=30))
    builders.keep(builder, None)
    builders.console(REGION, builder.id)
    builders.stop(builder)
    image = suite.baked(bench, suite.reached(bench, builder, "stopped"), "plain-1")
    assert 1 == len(bench.images.images(REGION))
    bench.images.delete(image)
    builders.end(builder)
    suite.reached(bench, builder, "terminated")
    assert builders.clear(REGION, builder.name)


def journal(_ground: Ground) -> None:
    """A note, read by another process; what is too old goes."""
    made = [s3_journal((BUCKET, "journal/"), AwsSettings(), kept=timedelta(days=1), told=print) for _ in range(2)]
    made[0].failed(FAILURE)
    made[0].flush()
    assert [FAILURE] == list(made[1].failures(THEN))
    tidy(made[0]._objects, "journal/", timedelta(days=1), LATER + timedelta(days=90))


def job(ground: Ground) -> None:
    """What a job keeps: put, put where nothing was, got, listed, deleted; and DVC's way of writing large files."""
    store, file = S3Store(BUCKET, "dvc"), ground.world.cache_dir / "large"
    assert (True, False) == (store.put_new("a", b"1"), store.put_new("a", b"2"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * (9 << 20))
    store.put("large", file)
    assert store.fetch("large", file)
    assert None is store.get("absent")
    assert 2 == len(store.listed())
    region_of(store)
    store.delete(["a", "large"])


def notify(ground: Ground) -> None:
    """A message to a topic."""
    Topic(ground.place.topics[0], REGION).send(Message(Moment.SUCCESS, "it is done"))


def function(_ground: Ground) -> None:
    """The function's secrets; the rest is a runner's."""
    assert "t" == with_parameters({"RUNNERKIT_PARAMETERS": PATH})["RUNNERKIT_GITHUB__TOKEN"]


def batch(ground: Ground) -> None:
    """A job on Batch with everything made for it and removed again; others cancelled and ended."""
    ground.ec2.batch.times(compute=0.01, queue=0.01, step=0.01, grace=0.1)
    aws = AwsBatch(AwsSettings(regions=(REGION,)), ground.world.clock)
    told = CliRunner().invoke(
        batch_commands, ["run", "--poll", "0.02", "--gpu", "t4", "--remove", "--", "true"], catch_exceptions=False
    )
    assert 0 == told.exit_code, told.stderr
    for end in (aws.cancel, aws.terminate):
        with suppress(LaunchRejected):
            end("nobody", "x")


def machine(ground: Ground) -> None:
    """A machine reads its parameter and deletes it; the agent's own requests are those of its tests."""
    ground.root("ssm").put_parameter(Name="/runnerkit/i-1", Value="x", Type="SecureString")
    ssm = boto3.client("ssm", region_name=REGION)
    assert "x" == ssm.get_parameter(Name="/runnerkit/i-1", WithDecryption=True)["Parameter"]["Value"]
    ssm.delete_parameter(Name="/runnerkit/i-1")


STORIES: Mapping[Use, Callable[[Ground], None]] = {
    Use.RUNNERS: runners,
    Use.BURST: burst,
    Use.CONNECT: connecting,
    Use.BAKE: bake,
    Use.JOURNAL: journal,
    Use.BATCH: batch,
    Use.JOB: job,
    Use.NOTIFY: notify,
    Use.MACHINE: machine,
    Use.LAMBDA: function,
    Use.SETUP: setting_up,
    Use.DOCTOR: doctoring,
}
