"""Checks of AWS: who signs in, what is allowed, whether spot can be used, what launches left behind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.doctor.checking import check
from runnerkit.doctor.words import Group, Remark, failure, note, ok, unknown, warning
from runnerkit.errors import CloudDenied, ConfigError
from runnerkit.wishes import SpotUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runnerkit.doctor.facts_aws import Right
    from runnerkit.doctor.seen import Observed

SOON = timedelta(minutes=15)
WITHIN = timedelta(hours=1)
SIGN_IN = "aws sso login, or set AWS_PROFILE; in a workflow: aws-actions/configure-aws-credentials"
POLICY_PAGE = "docs/iam.md has the policy; runnerkit setup aws makes a role that has it"
MANY = 6


@check(
    "aws-credentials",
    Group.AWS,
    "Who signs in to AWS, in which account and region, and for how long?",
    reads=("identity",),
    levels="nwf",
    todo="Sign in: `aws sso login`, `AWS_PROFILE`, or `aws-actions/configure-aws-credentials` in a workflow.",
)
def credentials(seen: Observed) -> Iterator[Remark]:
    """Who signs in, and until when."""
    error = seen.identity.error
    if isinstance(error, CloudDenied | ConfigError):
        yield failure(error.message, "without AWS no machine can be started", error.hint or SIGN_IN)
        return
    who = seen.identity.value
    where = f"{who.arn} in account {who.account} ({', '.join(who.regions)})"
    if who.arn.endswith(":root"):
        yield warning(
            f"signed in as the root user of account {who.account}",
            "these keys may do everything, and cannot be bounded by a policy",
            "runnerkit setup aws makes a role with few permissions; sign in with that",
        )
        return
    left = who.expires_at - seen.now if who.expires_at is not None else None
    if left is None or left > WITHIN:
        yield ok(where)
    elif left <= timedelta():
        yield failure(f"the credentials of {who.arn} have expired", "AWS refuses every call", SIGN_IN)
    elif left <= SOON:
        minutes = int(left.total_seconds() // 60)
        yield warning(
            f"the credentials of {who.arn} end in {minutes} min", "a launch may be cut off in the middle", SIGN_IN
        )
    else:
        yield note(f"{where}; the credentials end at {who.expires_at:%H:%M} UTC", "a controller needs longer ones")


@check(
    "aws-region",
    Group.AWS,
    "Does every configured region exist, and may this account use it?",
    reads=("regions",),
    levels="f",
    todo="Correct `regions` in `[aws]`, or enable the region for the account.",
)
def regions(seen: Observed) -> Iterator[Remark]:
    """Each configured region can be used."""
    bad = [region for region in seen.regions.value if region.status not in {"opt-in-not-required", "opted-in"}]
    for region in bad:
        if region.status == "not-opted-in":
            yield failure(
                f"region {region.name} is switched off in this account",
                "nothing can be launched there",
                f"aws account enable-region --region-name {region.name}",
            )
        else:
            yield failure(
                f"AWS has no region {region.name}", "nothing can be launched there", "correct regions in [aws]"
            )
    if not bad:
        yield ok(", ".join(region.name for region in seen.regions.value))


@check(
    "aws-permissions",
    Group.AWS,
    "Do the credentials allow every call that runnerkit makes?",
    reads=("rights",),
    levels="f",
    todo="Give the policy of [the page about permissions](iam.md) to the role, or make one by `runnerkit setup aws`.",
)
def permissions(seen: Observed) -> Iterator[Remark]:
    """Every action is allowed, by a dry run or by IAM's simulation."""
    rights = seen.rights.value
    denied = [right for right in rights if right.allowed is False]
    open_ = [right for right in rights if right.allowed is None]
    if denied:
        reasons = {right.why for right in denied if right.why}
        yield failure(
            f"not allowed: {_names(denied)}",
            f"needed: {'; '.join(sorted(reasons)[:2])}" if reasons else "launches or their end would fail",
            POLICY_PAGE,
        )
    if open_:
        yield unknown(
            f"could not be tested without doing it: {_names(open_)}",
            "allow iam:SimulatePrincipalPolicy for this role, then they are tested too; or compare with docs/iam.md",
        )
    if not denied and not open_:
        ways = sorted({right.how for right in rights if right.how})
        yield ok(f"all {len({right.action for right in rights})} actions are allowed (by {' and '.join(ways)})")


def _names(rights: Iterable[Right]) -> str:
    # Those of machines first: without them nothing runs at all.
    names = sorted({right.action for right in rights}, key=lambda action: (not action.startswith("ec2:"), action))
    return ", ".join(names[:MANY]) + (f" and {len(names) - MANY} more" if len(names) > MANY else "")


@check(
    "aws-spot-role",
    Group.AWS,
    "Is there the service-linked role that spot needs?",
    reads=("spot_role",),
    levels="nwf",
    todo="`aws iam create-service-linked-role --aws-service-name spot.amazonaws.com`, once for an account.",
)
def spot_role(seen: Observed) -> Iterator[Remark]:
    """AWS's own role for spot exists, or is not needed."""
    uses = {wished.spec.spot for wished in seen.wished if wished.spec is not None}
    there = seen.spot_role.value
    if there:
        yield ok("AWSServiceRoleForEC2Spot is there")
    elif uses and uses <= {SpotUse.NEVER}:
        yield note("AWSServiceRoleForEC2Spot is missing; no spec uses spot")
    else:
        make = failure if SpotUse.ONLY in uses else warning
        yield make(
            "AWSServiceRoleForEC2Spot is missing: nobody has used spot in this account yet",
            "spot is refused until it is there, and on-demand costs about three times as much",
            "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
        )


@check(
    "aws-ssm-role",
    Group.AWS,
    'With `secrets = "ssm"`: may machines read their own parameter?',
    reads=("carriers",),
    levels="f",
    todo="Add the machine's statement of [the page about permissions](iam.md) to the role of the profile.",
)
def ssm_role(seen: Observed) -> Iterator[Remark]:
    """The roles that machines get carry our statement."""
    if seen.config.aws.secrets != "ssm":
        yield ok('not used: secrets = "user-data"')
        return
    for carrier in seen.carriers.value:
        name = f"profile {carrier.profile}" + (f" (role {carrier.role})" if carrier.role else "")
        if carrier.allowed:
            yield ok(f"{name} lets a machine read and delete its own parameter")
        elif carrier.allowed is None:
            yield unknown(f"{name}: {carrier.why}", "allow iam:GetInstanceProfile and iam:SimulatePrincipalPolicy")
        else:
            yield failure(
                f"{name}: {carrier.why}",
                "machines would wait for their secret until their deadline, and end",
                'docs/iam.md has the statement for machines; or set secrets = "user-data"',
            )


@check(
    "aws-leftovers",
    Group.AWS,
    "Is something left that costs money and that nobody uses?",
    reads=("leftovers",),
    levels="nf",
    todo="`runnerkit sweep` ends what is over; then find out why no controller did.",
)
def leftovers(seen: Observed) -> Iterator[Remark]:
    """No machine outlives its life."""
    left = seen.leftovers.value
    if left.expired:
        yield failure(
            f"past their end and still there: {', '.join(left.expired[:MANY])}",
            "they cost money, and the controller that should end them does not run",
            "runnerkit sweep",
        )
    if left.others:
        yield note(
            f"left behind by launches: {', '.join(left.others[:MANY])}", "the next sweep takes them", "runnerkit sweep"
        )
    if not left.expired and not left.others:
        yield ok("nothing is left behind")


CHECKS = (credentials, regions, permissions, spot_role, ssm_role, leftovers)
