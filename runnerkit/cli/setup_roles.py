"""What ``setup aws`` made for these repositories, so that ``setup github`` need not be told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from runnerkit.beginning.reading import surroundings
from runnerkit.errors import RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runnerkit.config import Config
    from runnerkit.setup.ports import Account
    from runnerkit.setup.words import Found

_SUBJECT = re.compile(r"repo:([^:]+):(.*)")
_NUMBER = re.compile(r"@[0-9*]+")
_ENVIRONMENT = "environment:"


@dataclass(frozen=True, slots=True)
class Roles:
    """Variables that workflows read, the environment whose jobs may launch, and why there is nothing, if so."""

    variables: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    why: str = ""


def roles(config: Config, repos: Sequence[str], environment: Mapping[str, str]) -> Roles:
    """The roles of this installation, where somebody is signed in to AWS here; never an error."""
    from runnerkit.accounts import AwsAccount
    from runnerkit.system import SystemClock

    if not surroundings(environment).aws:
        return Roles()
    try:
        return of_account(AwsAccount(config.aws, SystemClock()), config, repos)
    except RunnerkitError as error:
        return Roles(why=f"AWS was not asked for the roles, so no variable names them: {error.message}")


def of_account(account: Account, config: Config, repos: Sequence[str]) -> Roles:
    """What an account holds of ours that trusts jobs of all of these repositories."""
    from runnerkit import tags
    from runnerkit.setup.carrying import everything
    from runnerkit.setup.words import Kind, Wanted, Where

    who, regions = account.identity(), tuple(account.regions())
    wanted = Wanted(owner=config.aws.owner, groups=False)
    where = Where(who.account, who.partition, regions)
    named = {each.name: each for each in everything(wanted, where) if each.kind is Kind.ROLE}
    found = {part: account.look(named[wanted.name(part)]) for part in ("launch", "job")}
    # Those of a CloudFormation stack bear the tag as well; a role of somebody else's is not proposed.
    ours = {part: role for part, role in found.items() if role and role.tags.get(tags.OWNER) == wanted.owner}
    launch = ours.get("launch")
    if launch is None:
        return Roles()
    ends = [list(_ends(launch, repo)) for repo in repos]
    if not all(ends):
        name = wanted.name("launch")
        return Roles(why=f"the role {name} does not trust {', '.join(repos)}: run `runnerkit setup aws` for it")
    arns = {"AWS_ROLE": where.arn("iam", f"role/{wanted.name('launch')}"), "AWS_REGION": where.home}
    if "job" in ours:
        arns["AWS_JOB_ROLE"] = where.arn("iam", f"role/{wanted.name('job')}")
    names = [end.removeprefix(_ENVIRONMENT) for end in ends[0] if end.startswith(_ENVIRONMENT)] if ends else []
    return Roles(arns, names[0] if names else "")


def _ends(role: Found, repo: str) -> Iterator[str]:
    """What follows the repository in the subjects that a role trusts."""
    for subject in _subjects(role.properties.get("AssumeRolePolicyDocument")):
        found = _SUBJECT.fullmatch(subject)
        if found and fnmatchcase(repo.lower(), _NUMBER.sub("", found[1]).lower()):
            yield found[2]


def _subjects(trust: Any) -> Iterator[str]:  # noqa: ANN401 - JSON is anything
    for statement in trust.get("Statement", ()) if isinstance(trust, dict) else ():
        for name, said in statement.get("Condition", {}).get("StringLike", {}).items():
            if name.endswith(":sub"):
                yield from [said] if isinstance(said, str) else said
