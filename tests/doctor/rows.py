"""A world in which all is well, and what breaks each check, as rows of the tables say it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from runnerkit.config import Config
from runnerkit.doctor.facts_aws import (
    Carrier,
    GroupSeen,
    Identity,
    ImageSeen,
    Leftovers,
    Limit,
    Offer,
    Region,
    Right,
    SubnetSeen,
    TypeSeen,
    Wished,
)
from runnerkit.doctor.facts_github import (
    DeliverySeen,
    EnvironmentSeen,
    Power,
    Rate,
    RepositorySeen,
    RunnerGroup,
    SettingsSeen,
    TokenSeen,
    Webhooks,
    WorkflowJob,
    WorkflowSeen,
)
from runnerkit.doctor.facts_here import Configuration, JournalSeen, Remote, Skew, Tool
from runnerkit.doctor.seen import Observed
from runnerkit.doctor.words import saw
from runnerkit.model import Market, Release
from runnerkit.ports import Image
from runnerkit.testing.clock import EPOCH
from runnerkit.wishes import RunnerSpec, SpotUse

if TYPE_CHECKING:
    from datetime import datetime

NOW = EPOCH
REPO, REGION, ZONE = "acme/widgets", "eu-west-1", "eu-west-1a"
SPOT_G, DEMAND_G, SPOT_P, DEMAND_P = "spot of G", "on-demand G", "spot of P", "on-demand P"
URL = "https://runners.example.com/hooks"
T4 = TypeSeen("g4dn.xlarge", 4, {Market.SPOT: SPOT_G, Market.ON_DEMAND: DEMAND_G})
V100 = TypeSeen("p3.2xlarge", 8, {Market.SPOT: SPOT_P, Market.ON_DEMAND: DEMAND_P})
IMAGE = Image(
    "ami-0123456789abcdef0",
    "gpu-ubuntu-24.04",
    REGION,
    "x64",
    baked=True,
    root_device="/dev/sda1",
    root_gb=30,
    created_at=NOW - timedelta(days=3),
    runner_version="2.340.0",
)
SUBNETS = tuple(SubnetSeen(f"subnet-{end}", REGION, REGION + end, "vpc-1", 200, True, "internet") for end in "ab")
OFFER = Offer("default", REGION, (T4,), (ZONE, REGION + "b"), 0.16, 0.53)
GROUP = GroupSeen(REGION, "sg-1", "runnerkit-runnerkit")
JOB = WorkflowJob("train", ("runnerkit=0/gpu=t4",), ("gpu",), wants_identity=True, has_identity=True)
FLOW = WorkflowSeen(REPO, ".github/workflows/train.yml", ("push",), (JOB,), settings=(("vars.AWS_ROLE",),))
HOOKS = Webhooks(URL, ours=True, events=("workflow_job",), deliveries=(DeliverySeen("ping", NOW, 200),))
CONFIG: dict[str, Any] = {
    "aws": {"secrets": "ssm", "instance_profile": "runners"},
    "github": {"organization": "acme", "runner_group": "gpu", "repositories": [REPO]},
    "policy": {"require_environment": ["gpu"]},
    "serve": {"public_url": URL},
    "journal": {"where": "s3://acme-journal/runnerkit"},
}


def config(**sections: dict[str, Any]) -> Config:
    """The configuration with other keys in some sections."""
    return Config.model_validate(
        {**CONFIG, **{name: {**CONFIG.get(name, {}), **own} for name, own in sections.items()}}
    )


def limits(*vcpus: float | None) -> tuple[Limit, ...]:
    """Quotas: spot and on-demand of G, then of P."""
    names = ((Market.SPOT, SPOT_G), (Market.ON_DEMAND, DEMAND_G), (Market.SPOT, SPOT_P), (Market.ON_DEMAND, DEMAND_P))
    rows = zip(names, vcpus, strict=False)
    return tuple(
        Limit(REGION, market, name, f"L-{number}", count) for number, ((market, name), count) in enumerate(rows)
    )


def spec(spot: SpotUse = SpotUse.PREFER, name: str = "default") -> Wished:
    """A wish for either market or one of them."""
    return Wished(name, RunnerSpec(spot=spot, arch=("x64",)))


def well(**changes: Any) -> Observed:  # noqa: ANN401 - any field; looks may be given as what they saw
    """Everything as it should be, but for these fields."""
    seen = Observed(
        now=NOW,
        config=config(),
        repos=(REPO,),
        wished=(spec(),),
        identity=saw(Identity("123456789012", "arn:aws:iam::123456789012:role/launcher", (REGION,))),
        regions=saw((Region(REGION, "opt-in-not-required"),)),
        rights=saw((Right("ec2:CreateFleet", True, "dry run"), Right("iam:PassRole", True, "simulation"))),
        limits=saw(limits(64, 64)),
        spot_role=saw(True),
        offers=saw((OFFER,)),
        leftovers=saw(Leftovers()),
        carriers=saw((Carrier("runners", "runners", True),)),
        subnets=saw(SUBNETS),
        groups=saw((GROUP,)),
        images=saw((ImageSeen("default", REGION, IMAGE),)),
        releases=saw((Release("2.340.0", NOW - timedelta(days=9)),)),
        token=saw(TokenSeen("fine-grained", "octocat", NOW + timedelta(days=60))),
        powers=saw((Power("register runners", "administration: write", True),)),
        rate=saw(Rate(5000, 4800, NOW + timedelta(minutes=30))),
        repositories=saw((RepositorySeen(REPO, visible=True, private=True),)),
        more=saw(0),
        runner_group=saw(RunnerGroup("gpu", exists=True)),
        webhooks=saw(HOOKS),
        environments=saw((EnvironmentSeen(REPO, "gpu", reviewed=True),)),
        workflows=saw((FLOW,)),
        settings=saw((SettingsSeen(REPO, frozenset({"vars.AWS_ROLE"})),)),
        remote=saw(Remote("s3://acme-data/dvc", REGION)),
        journal=saw(JournalSeen("s3://acme-journal/runnerkit/")),
        tools=saw((Tool("git", "2.39.5", "reports"), Tool("dvc", "3.67.1", "pipelines"))),
        aws_skew=saw(Skew("AWS", 0.4)),
        github_skew=saw(Skew("GitHub", -0.4)),
        configuration=saw(Configuration("runnerkit.toml")),
    )
    plain = {"config", "repos", "wished", "now"}
    given: dict[str, Any] = {name: value if name in plain else saw(value) for name, value in changes.items()}
    return replace(seen, **given)


def delivery(status: int, event: str = "workflow_job", at: datetime = NOW) -> DeliverySeen:
    """A webhook that was sent."""
    return DeliverySeen(event, at, status)
