"""``setup aws``: roles, security group, budget and dead-man's switch of one AWS account."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runnerkit.cli.common import PARTLY, AsJson, ConfigPath, DryRun, Repo, configuration, echo, ending_well, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.config import Config
    from runnerkit.setup.carrying import Setup
    from runnerkit.setup.plan import Step
    from runnerkit.setup.words import Wanted, Where

TRUST, EXTRAS, MONEY = "Who may launch", "What else is used", "Money"
INTERRUPTED = "interrupted; what was made stays, and the same command goes on from there"
ENVIRONMENT = "gpu"


def aws(  # noqa: PLR0917 - typer passes every option by its name
    repo: Repo = None,
    organization: Annotated[str, typer.Option(help="All repositories of this owner.", rich_help_panel=TRUST)] = "",
    environment: Annotated[
        list[str] | None,
        typer.Option(help="The GitHub environment whose jobs may launch; gpu by default.", rich_help_panel=TRUST),
    ] = None,
    branch: Annotated[
        list[str] | None, typer.Option(help="A branch whose jobs may launch, too.", rich_help_panel=TRUST)
    ] = None,
    any_job: Annotated[
        bool, typer.Option("--any-job", help="All of their jobs, without an environment.", rich_help_panel=TRUST)
    ] = False,
    data: Annotated[
        str, typer.Option(help="The DVC remote, s3://BUCKET/PREFIX: makes a role for jobs.", rich_help_panel=EXTRAS)
    ] = "",
    profile: Annotated[
        bool, typer.Option("--profile", help="Machines may be given the jobs' role.", rich_help_panel=EXTRAS)
    ] = False,
    journal: Annotated[str, typer.Option(help="The journal, s3://BUCKET/PREFIX.", rich_help_panel=EXTRAS)] = "",
    burst: Annotated[
        bool, typer.Option("--burst", help='secrets = "ssm": a role for machines.', rich_help_panel=EXTRAS)
    ] = False,
    bake: Annotated[bool, typer.Option("--bake", help="Images are baked.", rich_help_panel=EXTRAS)] = False,
    batch: Annotated[bool, typer.Option("--batch", help="AWS Batch is used.", rich_help_panel=EXTRAS)] = False,
    shells: Annotated[bool, typer.Option("--shells", help="`connect` is used.", rich_help_panel=EXTRAS)] = False,
    topic: Annotated[list[str] | None, typer.Option(help="ARN of an SNS topic that jobs may tell.")] = None,
    budget: Annotated[float, typer.Option(min=0, help="Dollars a month.", rich_help_panel=MONEY)] = 0.0,
    budget_email: Annotated[
        list[str] | None, typer.Option(help="Whom the budget tells.", rich_help_panel=MONEY)
    ] = None,
    budget_topic: Annotated[str, typer.Option(help="The SNS topic that it tells.", rich_help_panel=MONEY)] = "",
    region: Annotated[
        list[str] | None, typer.Option(help="Instead of the configuration's; the first has what there is one of.")
    ] = None,
    deadman: Annotated[bool, typer.Option("--deadman/--no-deadman", help="The dead-man's switch.")] = True,
    print_: Annotated[bool, typer.Option("--print", help="Print a CloudFormation template; ask AWS nothing.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what was made.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: DryRun = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Make what runnerkit needs in an AWS account: shows what there is and what is missing, asks, and makes it.

    The same again changes nothing, or repairs what was changed. What others made is never touched.
    """
    from runnerkit.errors import ConfigError
    from runnerkit.setup.words import Wanted

    with ending_well(as_json=as_json, interrupted=INTERRUPTED):
        settings = _with_regions(configuration(config), region or ())
        wanted = _with_configuration(
            settings,
            Wanted(
                repos=(*(repo or ()), *((f"{organization}/*",) if organization else ())),
                environments=tuple(environment or (() if branch or any_job else (ENVIRONMENT,))),
                branches=tuple(branch or ()), any_job=any_job,
                data=_bucket("--data", data), profile=profile, journal=_bucket("--journal", journal), burst=burst,
                bake=bake, batch=batch, connect=shells, topics=tuple(topic or ()), budget=budget,
                emails=tuple(budget_email or ()), topic=budget_topic, deadman=deadman,
            ),
        )  # fmt: skip
        if any_job and (environment or branch):
            raise ConfigError("--any-job trusts every job", hint="leave it out, or --environment and --branch")
        if remove and print_:
            raise ConfigError("--print and --remove exclude each other", hint="what a stack made goes with the stack")
        if not remove:
            _check(wanted)
        if print_:
            _print_template(settings, wanted, as_json=as_json)
            return
        setup = _opened(settings, wanted)
        where = setup.where(vpcs=not remove)
        steps = setup.removal(where) if remove else setup.plan(where)
        code = _go(setup, where, wanted, steps, _Way(remove=remove, yes=yes, dry_run=dry_run, as_json=as_json))
    if code:
        raise typer.Exit(code)


class _Way:
    """How the command was called."""

    def __init__(self, *, remove: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
        self.remove = remove
        self.yes = yes
        self.dry_run = dry_run
        self.as_json = as_json


def _with_regions(settings: Config, regions: Sequence[str]) -> Config:
    from runnerkit.errors import ConfigError
    from runnerkit.names import REGION

    if strange := [name for name in regions if not REGION.fullmatch(name)]:
        raise ConfigError(f"--region {strange[0]!r} is no region", hint="write it as in us-east-1")
    aws = settings.aws.model_copy(update={"regions": tuple(dict.fromkeys(regions))})
    return settings.model_copy(update={"aws": aws}) if regions else settings


def _with_configuration(settings: Config, wanted: Wanted) -> Wanted:
    """The same, with what the configuration says already."""
    from runnerkit.setup.trust import issuer_of

    where = settings.journal.where if settings.journal.bucket else ""
    own_profile = settings.aws.instance_profile
    return replace(
        wanted,
        owner=settings.aws.owner,
        tags=settings.aws.tags,
        repos=wanted.repos or settings.github.repositories,
        issuer=issuer_of(settings.github.api_url),
        burst=wanted.burst
        or (
            settings.aws.secrets == "ssm"
            and own_profile in {None, replace(wanted, owner=settings.aws.owner).name("machine")}
        ),
        journal=wanted.journal or _bucket("[journal] where", where).rstrip("/"),
        groups=not settings.aws.security_groups,
    )


def _check(wanted: Wanted) -> None:
    from runnerkit.errors import ConfigError

    if not wanted.repos:
        raise ConfigError(
            "whose jobs may launch machines is not known",
            hint="name repositories with --repo OWNER/NAME, or all of an owner with --organization OWNER",
        )
    if wanted.profile and not wanted.data:
        raise ConfigError("--profile gives machines the jobs' role: there is none", hint="add --data s3://BUCKET")
    if not math.isfinite(wanted.budget):
        raise ConfigError("--budget must be dollars a month", hint="for example --budget 200")
    if (wanted.emails or wanted.topic) and not wanted.budget:
        raise ConfigError("there is nothing to tell without a budget", hint="add --budget DOLLARS")


def _bucket(option: str, text: str) -> str:
    """``BUCKET/PREFIX`` of an address."""
    from runnerkit.errors import ConfigError
    from runnerkit.settings import S3_PLACE

    if not text:
        return ""
    found = S3_PLACE.fullmatch(text)
    if found is None or "*" in text or "?" in text or "$" in text:
        raise ConfigError(f"{option} {text!r} is no place on S3", hint="write s3://BUCKET/PREFIX")
    return f"{found[1]}/{found[2]}" if found[2] else found[1]


def _opened(settings: Config, wanted: Wanted) -> Setup:
    from runnerkit.accounts import AwsAccount
    from runnerkit.setup.carrying import Setup
    from runnerkit.system import SystemClock

    return Setup(AwsAccount(settings.aws, SystemClock()), wanted, _say)


def _go(setup: Setup, where: Where, wanted: Wanted, steps: Sequence[Step], way: _Way) -> int:
    """Show, ask, do, and say what comes next; the exit code."""
    from runnerkit.setup.plan import WORK, Do

    work = [step for step in steps if step.do in WORK]
    blocked = [step for step in steps if step.do is Do.BLOCK]
    if not way.as_json:
        _show(where, steps, work, way)
    if blocked and not way.remove:
        _refuse(blocked[0], way)
    if work and not way.dry_run:
        _ask(work, way)
        setup.carry_out(steps)
    _tell(where, wanted, steps, way)
    return PARTLY if blocked else 0


def _show(where: Where, steps: Sequence[Step], work: Sequence[Step], way: _Way) -> None:
    from runnerkit.cli.tables import Column, print_table

    echo(f"AWS account {where.account}, {', '.join(where.regions)}")
    rows = [
        (str(step.do), step.resource.kind.spoken, step.resource.name.rpartition("/")[2], step.resource.region, step.why)
        for step in steps
    ]
    if rows:
        print_table(
            [Column("do"), Column("what"), Column("name"), Column("region", spare=1), Column("why", folds=True)], rows
        )
    for step in steps:
        for change in step.changes:
            echo(f"  {step.resource.name}: {change}")
    if not work:
        echo("nothing of ours is there" if way.remove and not steps else "nothing to do")


def _refuse(first: Step, way: _Way) -> None:
    from runnerkit.errors import ConfigError

    if way.dry_run:
        return
    raise ConfigError(
        f"nothing was made: the {first.resource.spoken} stands in the way: {first.why}",
        hint="rename or remove it, or choose another owner in [aws]; --dry-run shows the whole plan",
    )


def _ask(work: Sequence[Step], way: _Way) -> None:
    from runnerkit.errors import ConfigError

    if way.yes:
        return
    if way.as_json or not sys.stdin.isatty():
        raise ConfigError("nothing was done: nobody can be asked here", hint="add --yes, or --dry-run to only look")
    try:
        if not typer.confirm(f"Do these {len(work)} things?"):
            raise typer.Exit(0)
    except typer.Abort:
        raise KeyboardInterrupt from None


def _tell(where: Where, wanted: Wanted, steps: Sequence[Step], way: _Way) -> None:
    from runnerkit.setup.afterwards import following, variables

    told = [] if way.remove else following(wanted, where)
    if way.as_json:
        print_json(
            {
                "account": where.account,
                "regions": where.regions,
                "owner": wanted.owner,
                "dry_run": way.dry_run,
                "steps": [step.as_dict() for step in steps],
                "variables": {} if way.remove else variables(wanted, where),
                "next": [{"where": each.where, "lines": each.lines} for each in told],
            }
        )
        return
    for each in told:
        echo(f"\n{each.where}:")
        for line in each.lines:
            echo(f"  {line}")


def _print_template(settings: Config, wanted: Wanted, *, as_json: bool) -> None:
    from runnerkit.setup.template import template

    printed: dict[str, Any] = template(wanted, settings.aws.regions)
    if as_json:
        print_json(printed)
        return
    import yaml

    sys.stdout.write(yaml.dump(printed, Dumper=_Dumper(), sort_keys=False, width=120, allow_unicode=True))


def _Dumper() -> Any:  # noqa: ANN401, N802 - a class of yaml's
    """Writes texts of several lines as blocks, and repeats instead of referring."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: object) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:  # noqa: ANN401 - yaml's
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper


def _say(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
