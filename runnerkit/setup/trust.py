"""Who may be a role: GitHub's jobs by what GitHub says of them, machines by EC2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runnerkit.errors import ConfigError
from runnerkit.setup.words import AUDIENCE, GITHUB_ISSUER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.setup.words import Wanted, Where

# Of a role's trust policy without white space, unless AWS was asked for more.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
TRUST_LIMIT = 2_048
# An owner's and a repository's name, each with or without GitHub's number of it; or all repositories of an owner.
REPO = re.compile(
    r"(?P<owner>[A-Za-z0-9][A-Za-z0-9-]*)(@(?P<owner_id>\d+))?/(?:\*|(?P<name>[\w.-]+)(@(?P<id>\d+))?)", re.ASCII
)
# What GitHub allows in names of environments and git in those of branches is wider; these never mean anything in IAM.
PLAIN = re.compile(r"[\w ./@+=,-]+", re.ASCII)


def issuer_of(api_url: str) -> str:
    """Who signs the tokens about jobs at the GitHub behind an API address.

    GitHub Enterprise Server has its own issuer, and so has a GitHub with data residency (``*.ghe.com``):
    https://docs.github.com/en/enterprise-server/actions/reference/security/oidc

    >>> issuer_of("https://github.acme.com/api/v3")
    'https://github.acme.com/_services/token'
    """
    address = urlsplit(api_url)
    host = address.hostname or ""
    if host.startswith("api.") and host.endswith(".ghe.com"):
        return f"https://token.actions.{host.removeprefix('api.')}"
    if address.path.rstrip("/").endswith("/api/v3") and address.scheme == "https":
        return f"https://{address.netloc}/_services/token"
    return GITHUB_ISSUER


def checked(wanted: Wanted) -> Wanted:
    """The same, when every name in it can stand in a trust policy.

    Raises:
        ConfigError: A repository, an environment or a branch is written so that it would mean something else.
    """
    for repo in wanted.repos:
        if not REPO.fullmatch(repo):
            raise ConfigError(
                f"{repo!r} is not a repository whose jobs a role can trust",
                hint="write OWNER/NAME, OWNER/* for all repositories of an owner, or OWNER@ID/NAME@ID",
            )
    for option, values in (("--environment", wanted.environments), ("--branch", wanted.branches)):
        for value in values:
            if not PLAIN.fullmatch(value):
                raise ConfigError(f"{option} {value!r} has signs that mean something else in an IAM policy")
    return wanted


def launch_trust(wanted: Wanted, where: Where) -> dict[str, Any]:
    """The trust policy of the launch role: jobs of an environment, or of a branch, of the repositories."""
    ends = [f"environment:{name}" for name in wanted.environments]
    ends += [f"ref:refs/heads/{name}" for name in wanted.branches]
    return _document([_jobs(wanted, where, _subjects(wanted.repos, ["*"] if wanted.any_job else ends))])


def job_trust(wanted: Wanted, where: Where) -> dict[str, Any]:
    """The trust policy of the jobs' role: every job of the repositories, and machines that may be given it."""
    machines = [_machines()] if wanted.profile else []
    return _document([_jobs(wanted, where, _subjects(wanted.repos, ["*"])), *machines])


def service_trust(service: str) -> dict[str, Any]:
    """The trust policy of a role that a service of AWS's takes."""
    return _document([_service(service)])


def provider_name(issuer: str) -> str:
    """What stands for an issuer in ARNs and in names of conditions."""
    return issuer.removeprefix("https://")


def provider_arn(issuer: str, where: Where) -> str:
    """The ARN of the identity provider for an issuer."""
    return where.arn("iam", f"oidc-provider/{provider_name(issuer)}")


def _subjects(repos: Sequence[str], ends: Sequence[str]) -> list[str]:
    """What ``sub`` may be.

    Since July 2026 repositories that are created or renamed have GitHub's unchanging numbers in it:
    https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/
    """
    found = [f"repo:{spelt}:{end}" for repo in repos for spelt in _spellings(repo) for end in ends]
    return list(dict.fromkeys(found))


def _spellings(repo: str) -> Iterable[str]:
    found = REPO.fullmatch(repo)
    if found is None:
        return [repo]
    owner, name = found["owner"], found["name"] or "*"
    numbered = f"{owner}@{found['owner_id'] or '*'}/" + (f"{name}@{found['id'] or '*'}" if found["name"] else "*")
    # Who names the numbers means this repository and none that gets its name later.
    return [numbered] if found["owner_id"] and (found["id"] or not found["name"]) else [f"{owner}/{name}", numbered]


def _jobs(wanted: Wanted, where: Where, subjects: Sequence[str]) -> dict[str, Any]:
    name = provider_name(wanted.issuer)
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn(wanted.issuer, where)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{name}:aud": AUDIENCE}, "StringLike": {f"{name}:sub": list(subjects)}},
    }


def _machines() -> dict[str, Any]:
    return _service("ec2.amazonaws.com")


def _service(service: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}
