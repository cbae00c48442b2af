"""Every check over a world in which all is well, and over everything that can be wrong with what it looks at."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from runnerkit.doctor.examining import examine
from runnerkit.doctor.facts_aws import Carrier, Identity, ImageSeen, Leftovers, Offer, Region, Right, Wished
from runnerkit.doctor.facts_github import (
    EnvironmentSeen,
    Power,
    Rate,
    RepositorySeen,
    RunnerGroup,
    SettingsSeen,
    TokenSeen,
    Webhooks,
    WorkflowSeen,
)
from runnerkit.doctor.facts_github import WorkflowJob as FlowJob
from runnerkit.doctor.facts_here import Configuration, JournalSeen, Remote, Skew, Tool
from runnerkit.doctor.registry import CHECKS, chosen
from runnerkit.doctor.seen import Observed
from runnerkit.doctor.words import Level, Look, blind
from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError, ForgeDenied
from runnerkit.wishes import SpotUse
from tests.doctor.rows import (
    DEMAND_G,
    FLOW,
    GROUP,
    HOOKS,
    IMAGE,
    JOB,
    NOW,
    OFFER,
    REGION,
    REPO,
    SUBNETS,
    T4,
    V100,
    config,
    delivery,
    limits,
    spec,
    well,
)

F, W, N, U, OK = Level.FAILURE, Level.WARNING, Level.NOTE, Level.UNKNOWN, Level.OK
ME = "arn:aws:iam::123456789012:role/launcher"


def me(**more: Any) -> Identity:  # noqa: ANN401 - any field
    return replace(Identity("123456789012", ME, (REGION,)), **more)


def image(**more: Any) -> tuple[ImageSeen, ...]:  # noqa: ANN401 - any field
    return (ImageSeen("default", REGION, replace(IMAGE, **more)),)


def job(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"workflows": (replace(FLOW, jobs=(replace(JOB, **more),)),)}


def repo(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"repositories": (replace(RepositorySeen(REPO, visible=True, private=True), **more),)}


def there(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Nothing is set."""
    return {"settings": (SettingsSeen(REPO, frozenset(), **more),)}


def reads(*names: str) -> WorkflowSeen:
    return replace(FLOW, settings=(names,))


def subnets(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"subnets": tuple(replace(subnet, **more) for subnet in SUBNETS)}


def failed(error: Exception) -> Look[Any]:
    """A look that failed, which rows give in place of what would have been seen."""
    return Look(error=error)  # type: ignore[arg-type]  # the rows give ours


TWO = {"offers": (replace(OFFER, types=(T4, V100)),)}
ONLY = {"wished": (spec(SpotUse.ONLY),)}
NEVER = {"wished": (spec(SpotUse.NEVER),)}
OPEN = {"policy": {"public_repositories": True, "require_environment": []}}
UNREVIEWED = {"environments": (EnvironmentSeen(REPO, "gpu", False),)}
# A hosted job that launches: its label is GitHub's, and yet its environment counts.
LAUNCHING = job(labels=("ubuntu-24.04",), launches=True)
FORKS = config(policy={**OPEN["policy"], "forks": True})
OWN = '[specs.a]\ngpu = "t4"'
UNKNOWN_KEY = Configuration(problem="runnerkit.toml: aws.onwer: no such key")
EXPOSED = Configuration(exposed=(("github.token", "runnerkit.toml"),))
HOURS = timedelta(hours=1)

# check, level that it comes to at worst, what is otherwise, words of what is found or of what to do
ROWS: list[tuple[str, Level, dict[str, Any], str]] = [
    ("aws-credentials", OK, {"identity": me(expires_at=NOW + 5 * HOURS)}, ME),
    ("aws-credentials", F, {"identity": failed(CloudDenied("who are you", hint="aws sso login"))}, "aws sso login"),
    ("aws-credentials", F, {"identity": failed(ConfigError("no AWS region is set"))}, "no AWS region"),
    ("aws-credentials", F, {"identity": me(expires_at=NOW)}, "have expired"),
    ("aws-credentials", W, {"identity": me(expires_at=NOW + HOURS / 6)}, "end in 10 min"),
    ("aws-credentials", W, {"identity": me(arn="arn:aws:iam::1:root")}, "root user"),
    ("aws-credentials", N, {"identity": me(expires_at=NOW + HOURS / 2)}, "end at 00:30 UTC"),
    ("aws-credentials", U, {"identity": failed(CloudUnavailable("no answer"))}, "no answer"),
    ("aws-region", F, {"regions": (Region("ap-east-1", "not-opted-in"),)}, "enable-region --region-name ap-east-1"),
    ("aws-region", F, {"regions": (Region("eu-wst-1", ""),)}, "AWS has no region eu-wst-1"),
    ("aws-permissions", F, {"rights": (Right("ec2:CreateFleet", False, "dry run", "to launch"),)}, "ec2:CreateFleet"),
    ("aws-permissions", U, {"rights": (Right("ssm:PutParameter", None),)}, "iam:SimulatePrincipalPolicy"),
    ("aws-permissions", F, {"rights": tuple(Right(f"ec2:A{n}", False) for n in range(9))}, "and 3 more"),
    ("aws-spot-role", F, {"spot_role": False, **ONLY}, "create-service-linked-role"),
    ("aws-spot-role", W, {"spot_role": False}, "create-service-linked-role"),
    ("aws-spot-role", N, {"spot_role": False, **NEVER}, "no spec uses spot"),
    ("aws-ssm-role", OK, {"config": config(aws={"secrets": "user-data"})}, "not used"),
    ("aws-ssm-role", F, {"carriers": (Carrier("p", "r", False, "it does not allow ssm:GetParameter"),)}, "ssm:GetPara"),
    ("aws-ssm-role", U, {"carriers": (Carrier("p", "r", None, "IAM does not say"),)}, "iam:GetInstanceProfile"),
    ("aws-leftovers", F, {"leftovers": Leftovers(expired=("rk-1-1 (i-1)",))}, "runnerkit sweep"),
    ("aws-leftovers", N, {"leftovers": Leftovers(others=("volume vol-1",))}, "volume vol-1"),
    ("aws-spot-quota", OK, NEVER, "no spec uses spot"),
    ("aws-spot-quota", F, {"limits": limits(0, 0)}, "--quota-code L-0 --desired-value 32 --region eu-west-1"),
    ("aws-spot-quota", F, {"limits": limits(0, 64), **ONLY}, "0 vCPUs of spot of G; default needs 4"),
    ("aws-spot-quota", W, {"limits": limits(0, 64)}, "new accounts start with 0"),
    ("aws-spot-quota", W, {"limits": limits(64, 64, 0, 64), **TWO, **ONLY}, "spot of P; default needs 8"),
    ("aws-spot-quota", N, {"limits": limits(4, 64)}, "room for one machine"),
    ("aws-spot-quota", U, {"limits": limits(None, 64)}, "servicequotas/home/services/ec2/quotas/L-0"),
    ("aws-on-demand-quota", OK, ONLY, "no spec uses on-demand"),
    ("aws-on-demand-quota", F, {"limits": limits(64, 3), **NEVER}, f"3 vCPUs of {DEMAND_G}; default needs 4"),
    ("aws-on-demand-quota", W, {"limits": limits(64, 0)}, "request-service-quota-increase"),
    ("aws-on-demand-quota", N, {"limits": limits(64, 7)}, "a second job has to wait"),
    ("aws-on-demand-quota", U, {"limits": limits(64)}, "nobody tells the quota"),
    ("aws-offerings", OK, {}, "spot from $0.160/h, on-demand from $0.530/h"),
    ("aws-offerings", F, {"offers": (Offer("default", REGION, problem="no type has it"),)}, "no type has it"),
    ("aws-offerings", F, {"wished": (Wished("big", None, "gpu=h100 is not allowed", "allowed: t4"),)}, "allowed: t4"),
    ("aws-offerings", U, {"offers": ()}, "could not be read"),
    ("network-subnets", F, {"subnets": failed(ConfigError("nowhere to launch", hint="make one"))}, "make one"),
    ("network-subnets", W, subnets(addresses=3), "has 3 free addresses"),
    ("network-subnets", N, {"subnets": SUBNETS[:1]}, "one zone only"),
    ("network-subnets", N, {"offers": (replace(OFFER, zones=("eu-west-1a",)),)}, "no spec is on offer in eu-west-1b"),
    ("network-internet", OK, subnets(road="nat", public_ips=False), "eu-west-1a by NAT"),
    ("network-internet", F, subnets(road=""), "NAT gateway"),
    ("network-internet", F, subnets(public_ips=False), "modify-subnet-attribute --map-public-ip-on-launch"),
    ("network-security-group", OK, {"groups": (replace(GROUP, id=""),)}, "made at the first launch"),
    ("network-security-group", W, {"groups": (replace(GROUP, inbound=("tcp 22 from 0.0.0.0/0",)),)}, "lets in tcp 22"),
    ("network-security-group", F, {"groups": (replace(GROUP, https_out=False),)}, "--port 443"),
    ("network-security-group", F, {"groups": (replace(GROUP, problem="none belongs to vpc-1"),)}, "none belongs"),
    ("images-access", F, {"images": (ImageSeen("default", REGION, None, problem="no ami-1"),)}, "no ami-1"),
    ("images-access", U, {"images": (ImageSeen("default", REGION, None, problem="no way", seen=False),)}, "no way"),
    ("images-access", F, {"images": (ImageSeen("default", REGION, IMAGE, "pending"),)}, "is pending"),
    ("images-access", N, {"images": image(baked=False)}, "runnerkit ami bake"),
    ("images-age", N, {"images": image(created_at=NOW - timedelta(days=200))}, "200 days old"),
    ("images-age", U, {"images": image(created_at=None)}, "does not say when"),
    ("images-age", OK, {"images": image(baked=False)}, "no baked image"),
    ("images-runner", OK, {"images": image(baked=False)}, "fetch the newest runner"),
    ("images-runner", F, {"images": image(runner_version="2.300.0")}, "the oldest that GitHub registers"),
    ("images-runner", W, {"images": image(runner_version="2.339.0"), "now": NOW + timedelta(days=17)}, "for 4 days"),
    ("images-runner", F, {"images": image(runner_version="2.339.0"), "now": NOW + timedelta(days=22)}, "ami bake"),
    ("images-runner", U, {"images": image(runner_version="")}, "does not say which runner"),
    ("github-token", F, {"token": failed(ForgeDenied("bad credentials"))}, "bad credentials"),
    ("github-token", F, {"token": TokenSeen("actions")}, "cannot register runners"),
    ("github-token", W, {"token": TokenSeen("classic", "octocat")}, "much more than runners need"),
    ("github-token", W, {"token": TokenSeen("fine-grained", "o", NOW + timedelta(days=2))}, "ends in 2 days"),
    ("github-token", N, {"token": TokenSeen("user", "octocat")}, "got for a user"),
    ("github-token", OK, {"token": TokenSeen("app", "runners")}, "a GitHub App of runners"),
    ("github-permissions", F, {"powers": (Power("register runners", "administration: write", False),)}, "administr"),
    ("github-permissions", W, {"powers": (Power("comment", "issues: write", False, required=False),)}, "issues: write"),
    ("github-permissions", U, {"powers": (Power("comment", "issues: write", None, why="outage"),)}, "outage"),
    ("github-rate", F, {"rate": Rate(5000, 0, NOW)}, "0 of 5000"),
    ("github-rate", OK, {"rate": Rate(0, 0, NOW)}, "counts no calls"),
    ("github-rate", W, {"rate": Rate(5000, 400, NOW)}, "400 of 5000"),
    ("github-repositories", F, {"repositories": ()}, "repositories under [github]"),
    ("github-repositories", F, repo(visible=False, problem="no App there"), "acme/widgets: no App there"),
    ("github-repositories", N, {"more": 7}, "7 more are served"),
    ("github-repositories", F, repo(visible=False), "may not see it"),
    ("github-repositories", W, repo(archived=True), "is archived"),
    ("github-runner-group", OK, {"config": config(github={"runner_group": None})}, "not used"),
    ("github-runner-group", F, {"runner_group": RunnerGroup("gpu", exists=False, others=("cpu",))}, "it has: cpu"),
    ("github-runner-group", F, {"runner_group": RunnerGroup("gpu", exists=True, open_to=frozenset())}, "not open to"),
    ("github-runner-group", W, {"runner_group": RunnerGroup("gpu", exists=True, public=True)}, "public repositories"),
    ("github-webhooks", OK, {"config": config(serve={"public_url": None})}, "not used"),
    ("github-webhooks", F, {"webhooks": Webhooks("u", ours=False, others=("https://old",))}, "there are: https://old"),
    ("github-webhooks", F, {"webhooks": replace(HOOKS, active=False)}, "switched off"),
    ("github-webhooks", F, {"webhooks": replace(HOOKS, events=("push",))}, "does not send workflow_job"),
    ("github-webhooks", U, {"webhooks": replace(HOOKS, deliveries=())}, "ping it"),
    ("github-webhooks", W, {"webhooks": replace(HOOKS, deliveries=(delivery(200), delivery(0)))}, "1 of 2"),
    ("github-webhooks", F, {"webhooks": replace(HOOKS, deliveries=(delivery(401),))}, "webhook_secrets"),
    ("github-webhooks", F, {"webhooks": replace(HOOKS, deliveries=(delivery(0),))}, "got no answer"),
    ("github-webhooks", F, {"webhooks": replace(HOOKS, deliveries=(delivery(502),))}, "the last answer was 502"),
    ("policy-repositories", F, repo(private=False), "make it private"),
    ("policy-repositories", W, {**repo(private=False), "config": FORKS}, "forks"),
    ("policy-repositories", OK, {**repo(private=False), "config": config(**OPEN)}, "policy allows that"),
    ("policy-repositories", U, repo(private=None), "nobody tells"),
    ("policy-environments", F, {"environments": ()}, "has no environment 'gpu'"),
    ("policy-environments", W, {"environments": (), "config": config(**OPEN)}, "without any reviewer"),
    ("policy-environments", W, {"environments": (EnvironmentSeen(REPO, "gpu", False),)}, "has no reviewers"),
    ("policy-environments", N, {**UNREVIEWED, "config": config(**OPEN)}, "nobody is asked"),
    ("policy-environments", N, {**UNREVIEWED, **LAUNCHING, "config": config(**OPEN)}, "nobody is asked"),
    ("policy-environments", F, job(environments=()), "gated by none of gpu"),
    ("policy-environments", OK, {**job(environments=()), "config": config(**OPEN)}, "policy wants none"),
    ("policy-workflows", F, job(labels=("runnerkit=0/gpu=t5",)), "gpu"),
    ("policy-workflows", F, job(labels=("runerkit=0/gpu=t4",)), "is nobody's"),
    ("policy-workflows", F, {"config": config(policy={"gpus": ["l4"]})}, "allowed: l4"),
    ("policy-workflows", F, {"workflows": (replace(FLOW, events=("pull_request_target",)),)}, "pull_request_target"),
    ("policy-workflows", W, {"workflows": (replace(FLOW, jobs=(), problem="it is not YAML"),)}, "it is not YAML"),
    ("policy-workflows", N, job(labels=("runnerkit=0/gpu=${{ matrix.gpu }}",)), "depends on an expression"),
    ("policy-workflows", OK, {**job(labels=("runnerkit=0/spec=a",)), **repo(specs=OWN)}, "1 job of"),
    ("policy-workflows", OK, {"workflows": (replace(FLOW, jobs=(FlowJob("lint", ("ubuntu-latest",)),)),)}, "0 jobs"),
    ("policy-identity", F, job(has_identity=False), "id-token: write"),
    ("policy-settings", F, there(), "vars.AWS_ROLE is not set; wanted by .github/workflows/train.yml"),
    ("policy-settings", F, {"workflows": (reads("vars.AWS_JOB_ROLE", "vars.B"),)}, "vars.AWS_JOB_ROLE or vars.B"),
    ("policy-settings", W, {"workflows": (reads("secrets.SLACK"),)}, "/settings/secrets/actions"),
    ("policy-settings", F, there(hidden=("environments",)), "unless in the environment"),
    ("policy-settings", U, there(hidden=("vars",)), "nobody may see whether vars.AWS_ROLE"),
    ("policy-settings", OK, {"workflows": (reads("vars.A", "vars.AWS_ROLE"),)}, "all are there"),
    ("policy-settings", OK, {**there(), **job(labels=("ubuntu-24.04",))}, "read none"),
    ("data-region", OK, {"remote": Remote("")}, "no DVC project"),
    ("data-region", F, {"remote": Remote("s3://gone/dvc", exists=False)}, "no such bucket"),
    ("data-region", W, {"remote": Remote("s3://acme/dvc", "us-east-1")}, 'set regions = ["us-east-1"]'),
    ("data-region", N, {"remote": Remote("gs://acme/dvc")}, "gs://acme/dvc"),
    ("data-region", N, {"identity": me(regions=(REGION, "us-east-1"))}, "may also run in us-east-1"),
    ("data-region", U, {"remote": Remote("s3://acme/dvc", None, why="may not look")}, "may not look"),
    ("data-dvc", F, {"tools": (Tool("dvc", "2.58.2", ""),)}, "is too old"),
    ("data-dvc", W, {"tools": (Tool("dvc", "", ""),)}, "pip install"),
    ("data-dvc", N, {"tools": (Tool("dvc", "3.10.0", ""),)}, "older than what is tried"),
    ("data-dvc", U, {"tools": (Tool("dvc", "what?", ""),)}, "what?"),
    ("data-dvc", OK, {"tools": (Tool("dvc", "", ""),), "remote": Remote("")}, "not used in this folder"),
    ("data-journal", F, {"journal": JournalSeen("s3://j", unreadable="AccessDenied")}, "cannot be read: AccessDenied"),
    ("data-journal", F, {"journal": JournalSeen("/j", unwritable="no permission")}, "cannot be written"),
    ("data-journal", N, {"config": config(journal={"where": ""})}, "s3://BUCKET/PREFIX"),
    ("computer-clock", F, {"github_skew": Skew("GitHub", 400.0)}, "400 s ahead of GitHub"),
    ("computer-clock", W, {"aws_skew": Skew("AWS", -60.0)}, "60 s behind AWS"),
    ("computer-tools", N, {"tools": (Tool("act", "", "the sandbox"),)}, "needed for the sandbox"),
    ("computer-configuration", F, {"configuration": UNKNOWN_KEY}, "onwer"),
    ("computer-configuration", N, {"configuration": Configuration()}, "runnerkit init"),
    ("computer-secrets", F, {"configuration": EXPOSED}, "RUNNERKIT_GITHUB__TOKEN"),
]  # fmt: skip
LOOKS = [field.name for field in fields(Observed) if field.name not in {"now", "config", "repos", "wished"}]


def judged(check: str, seen: Observed) -> list[tuple[Level, str]]:
    """What a check says: level, and all of its words."""
    found = examine(chosen([check]), seen).findings
    return [(each.level, f"{each.remark.found} {each.remark.why} {each.remark.next}") for each in found]


def observed(changes: dict[str, Any]) -> Observed:
    """A world as a row says it; what failed is no value."""
    errors: dict[str, Any] = {name: value for name, value in changes.items() if isinstance(value, Look)}
    return replace(well(**{name: value for name, value in changes.items() if name not in errors}), **errors)


@pytest.mark.parametrize(("check", "level", "changes", "words"), ROWS)
def test_what_is_wrong_is_told(check: str, level: Level, changes: dict[str, Any], words: str) -> None:
    """Each thing that can be wrong has its level, and the words by which somebody can mend it."""
    found = judged(check, observed(changes))
    assert level == max((each for each, _ in found), key=lambda each: each.rank)
    assert any(words in text for each, text in found if each is level), found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_all_is_well(check: Any) -> None:  # noqa: ANN401 - a check
    """Where all is well every check says so, with what it saw."""
    assert {OK} == {level for level, _ in judged(check.name, well())}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_could_not_be_seen_is_unknown(check: Any) -> None:  # noqa: ANN401 - a check
    """A check that nobody can answer says so with the reason, and no check needs what it does not name."""
    blinded: dict[str, Any] = dict.fromkeys(LOOKS, blind("the network is down"))
    nothing = replace(well(), **blinded)
    assert {U} == {level for level, _ in judged(check.name, nothing)}
    own: dict[str, Any] = {name: blind("nobody looked") for name in LOOKS if name not in check.reads}
    assert judged(check.name, well()) == judged(check.name, replace(well(), **own))


def test_each_check_has_a_row_for_each_level() -> None:
    """The levels that a check names, and the documentation with it, are those that it comes to: no more, no fewer."""
    for check in CHECKS:
        shown = {level for name, level, _, _ in ROWS if name == check.name}
        assert shown >= set(check.levels), check.name
        assert shown <= {*check.levels, OK, U}, check.name


def test_whatever_is_wrong_comes_with_what_to_do() -> None:
    """Every failure and warning says why it matters and what to do next."""
    for name, _, changes, _ in ROWS:
        for finding in examine(chosen([name]), observed(changes)).findings:
            if finding.level in {F, W}:
                assert finding.remark.why, finding
                assert finding.remark.next, finding


def test_exit_codes_follow_the_worst_level() -> None:
    """A failure ends with 15; a warning, or what is unknown, only when that is asked for."""
    for level, plain, strict in ((OK, 0, 0), (N, 0, 0), (U, 0, 15), (W, 0, 15), (F, 15, 15)):
        row = next((name, changes) for name, worst, changes, _ in ROWS if worst is level)
        found = examine(chosen([row[0]]), observed(row[1]))
        assert (level, plain, strict) == (found.worst, found.exit_code(), found.exit_code(strict=True))
        assert str(level) == found.as_dict()["worst"]


def test_one_that_misses_something_does_not_hide_the_others() -> None:
    """With AWS out of reach, GitHub's checks are told all the same."""
    away: dict[str, Any] = {
        name: blind("no AWS") for name in ("identity", "rights", "offers", "subnets", "images", "limits")
    }
    found = examine(CHECKS, replace(well(), **away)).findings
    assert {check.name for check in CHECKS} == {finding.check for finding in found}
    assert {OK} == {finding.level for finding in found if finding.group == "github"}


def test_only_takes_groups_and_names() -> None:
    """A group, a check, or both; and what is neither is refused with the nearest one."""
    assert {"network"} == {str(check.group) for check in chosen(["network"])}
    assert ["aws-region", "github-token"] == [check.name for check in chosen(["github-token", "aws-region"])]
    with pytest.raises(ConfigError, match="no check or group 'github-tokn'") as refused:
        chosen(["github-tokn"])
    assert "github-token" in refused.value.hint
