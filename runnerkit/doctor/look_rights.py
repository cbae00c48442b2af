"""Looking at permissions: dry runs of the real EC2 calls, and IAM's simulation for all others. Nothing is made.

A dry run answers DryRunOperation when the call would be allowed and UnauthorizedOperation when not; any other answer
says nothing about the permission. Sources: AWS's API reference of EC2 ("DryRun") and of IAM (SimulatePrincipalPolicy).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runnerkit.doctor.dry_runs import ABOUT_NOBODY, DRY_RUNS, NOBODY
from runnerkit.doctor.facts_aws import Carrier, Right
from runnerkit.ec2.answers import AwsFault, code_of, told
from runnerkit.ec2.parallel import each
from runnerkit.errors import CloudError, RunnerkitError
from runnerkit.permissions import Place, Use, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runnerkit.config import Config
    from runnerkit.doctor.facts_aws import Identity, ImageSeen, SubnetSeen
    from runnerkit.ec2.clients import Clients
    from runnerkit.permissions import Statement

ALLOWED, DENIED = "DryRunOperation", frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"})
OWN = "ssm:GetParameter", "ssm:DeleteParameter"
PASSING = "iam:PassRole"
MOST_ACTIONS = 50


class RightsLooks:
    """The looks at permissions.

    Args:
        config: What is used, and so what must be allowed.
        clients: boto3's clients.
        identity: Who signs in.
        images: The images of launches.
        subnets: Where machines are placed.
    """

    def __init__(
        self,
        config: Config,
        clients: Clients,
        identity: Callable[[], Identity],
        images: Callable[[], tuple[ImageSeen, ...]],
        subnets: Callable[[], tuple[SubnetSeen, ...]],
    ) -> None:
        self._config = config
        self._clients = clients
        self._identity = identity
        self._images = images
        self._subnets = subnets

    # --- what is needed -----------------------------------------------------------------------------------------------

    def needed(self) -> tuple[Statement, ...]:
        """The statements for everything that this configuration uses."""
        who, aws = self._identity(), self._config.aws
        uses = [Use.RUNNERS, Use.DOCTOR]
        uses += [Use.BURST] if aws.secrets == "ssm" else []
        bucket = self._config.journal.bucket
        uses += [Use.JOURNAL] if bucket else []
        place = Place(
            account=who.account,
            regions=who.regions,
            owner=aws.owner,
            roles=self._roles(),
            journal="/".join(bucket).rstrip("/") if bucket else "",
            partition=who.arn.split(":")[1],
        )
        return statements(uses, place)

    def _profiles(self, *more: str) -> tuple[str, ...]:
        """The instance profiles that the configuration names as they are, without patterns."""
        named = (self._config.aws.instance_profile, *more)
        return tuple(dict.fromkeys(name for name in named if name and not set(name) & set("*?[")))

    def _roles(self) -> tuple[str, ...]:
        """The roles that machines are given, which one must be allowed to pass; what cannot be seen is left out."""
        client, found = self._clients.of("iam", self._identity().regions[0]), []
        for name in self._profiles(*self._config.policy.profiles, *self._config.aws.ssm_profiles):
            with suppress(CloudError), told(f"looking at the instance profile {name}"):
                profile = client.get_instance_profile(InstanceProfileName=name.rpartition("/")[2])["InstanceProfile"]
                found += [role["Arn"] for role in profile["Roles"]]
        return tuple(dict.fromkeys(found))

    def rights(self) -> tuple[Right, ...]:
        """Whether each action is allowed, in each region."""
        needed = self.needed()
        why = {action: each.why for each in reversed(needed) for action in each.actions}
        grounds = [self._ground(region) for region in self._identity().regions]
        wanted = [(ground, action) for ground in grounds for action in why if action in DRY_RUNS]
        tried = {(r.region, r.action): r for r in each(lambda one: self._try(*one, why[one[1]]), wanted)}
        open_ = [action for action in why if not _is_known(action, tried.values())]
        simulated = self._simulated(open_, needed, why)
        return (*(right for right in tried.values() if right.allowed is not None), *simulated)

    # --- dry runs -----------------------------------------------------------------------------------------------------

    def _ground(self, region: str) -> dict[str, str]:
        """What dry runs of a region are about; where nothing is known, things that nobody has."""
        return {
            "region": region,
            "owner": self._config.aws.owner,
            "image": _first(
                (one.image.id for one in self._seen(self._images) if one.image and one.region == region), ""
            ),
            "subnet": _first((one.id for one in self._seen(self._subnets) if one.region == region), ""),
            "vpc": _first((one.vpc for one in self._seen(self._subnets) if one.region == region), ""),
        }

    def _seen(self, look: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        try:
            return look()
        except RunnerkitError:
            return ()

    def _try(self, ground: dict[str, str], action: str, why: str) -> Right:
        method, request = DRY_RUNS[action]
        client = self._clients.of("ec2", ground["region"], once=True)
        try:
            getattr(client, method)(DryRun=True, **request(ground))
        except AwsFault as fault:
            code = code_of(fault)
            allowed = True if code == ALLOWED else False if code in DENIED and action not in ABOUT_NOBODY else None
            return Right(action, allowed, "dry run", why, ground["region"])
        # It would have been refused without a word: nothing was done, and nothing is known.
        return Right(action, None, "", why, ground["region"])

    # --- simulation ---------------------------------------------------------------------------------------------------

    def _simulated(self, actions: list[str], needed: Iterable[Statement], why: Mapping[str, str]) -> tuple[Right, ...]:
        if not actions:
            return ()
        try:
            source = self._source()
        except CloudError as error:
            return tuple(Right(action, None, "", error.message) for action in actions)
        if not source:
            return tuple(Right(action, allowed=True, how="being the account's root") for action in actions)
        said: dict[str, bool | None] = {}
        for statement in needed:
            asked = [action for action in statement.actions if action in actions and said.get(action) is None]
            said |= self._ask(source, asked, statement)
            if PASSING in asked:
                passed = [
                    self._ask(source, [PASSING], replace(statement, resources=(arn,))) for arn in statement.resources
                ]
                said[PASSING] = False if any(each[PASSING] is False for each in passed) else said[PASSING]
        return tuple(Right(action, said.get(action), "simulation", why[action]) for action in actions)

    def _ask(self, source: str, actions: list[str], statement: Statement) -> dict[str, bool | None]:
        """What IAM's simulation says of actions, on what the statement is about and with its conditions fulfilled."""
        if not actions:
            return {}
        client = self._clients.of("iam", self._identity().regions[0])
        request: dict[str, Any] = {"PolicySourceArn": source, "ActionNames": actions[:MOST_ACTIONS]}
        request |= {"ResourceArns": [_concrete(statement.resources[0])], "ContextEntries": _context(statement)}
        try:
            with told("asking IAM what these credentials may do"):
                rows = client.simulate_principal_policy(**request)["EvaluationResults"]
        except CloudError:
            return dict.fromkeys(actions)
        return {row["EvalActionName"]: row["EvalDecision"] == "allowed" for row in rows}

    def _source(self) -> str:
        """The user or role behind the credentials, as IAM wants it named; empty for the root."""
        arn = self._identity().arn
        parts = arn.split(":", 5)
        kind, _, name = parts[5].partition("/")
        if kind == "root":
            return ""
        if kind != "assumed-role":
            return arn
        client = self._clients.of("iam", self._identity().regions[0])
        role = name.partition("/")[0]
        with told(f"looking at the role {role}"):
            return str(client.get_role(RoleName=role)["Role"]["Arn"])

    # --- the roles of machines ----------------------------------------------------------------------------------------

    def carriers(self) -> tuple[Carrier, ...]:
        """Whether the roles that machines get with ``secrets = "ssm"`` carry our statement."""
        aws = self._config.aws
        return tuple(each(self._carrier, self._profiles(*aws.ssm_profiles))) if aws.secrets == "ssm" else ()

    def _carrier(self, profile: str) -> Carrier:
        client, name = self._clients.of("iam", self._identity().regions[0]), profile.rpartition("/")[2]
        try:
            with told(f"looking at the instance profile {name}"):
                roles = client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
        except CloudError as error:
            missing = error.aws_code == "NoSuchEntity"
            return Carrier(
                profile, "", False if missing else None, "there is no such profile" if missing else error.message
            )
        if not roles:
            return Carrier(profile, "", allowed=False, why="it has no role")
        role = roles[0]
        statement = statements([Use.MACHINE], Place(account=self._identity().account))[0]
        said = self._ask(role["Arn"], list(OWN), statement)
        lacking = [action for action in OWN if said.get(action) is False]
        if lacking:
            return Carrier(profile, role["RoleName"], allowed=False, why=f"it does not allow {' and '.join(lacking)}")
        allowed = True if all(said.get(action) for action in OWN) else None
        return Carrier(profile, role["RoleName"], allowed, "" if allowed else "IAM does not say what it allows")


def _is_known(action: str, tried: Iterable[Right]) -> bool:
    found = [right for right in tried if right.action == action]
    return bool(found) and all(right.allowed is not None for right in found)


def _first(found: Iterable[str], otherwise: str) -> str:
    return next(iter(found), otherwise)


def _concrete(arn: str) -> str:
    """An ARN that a pattern covers."""
    return arn if arn == "*" else arn.replace("*", "0")


def _context(statement: Statement) -> list[dict[str, Any]]:
    """The conditions of a statement, as if they held."""
    entries = {
        key: [_plain(value) for value in values]
        for keys in statement.conditions.values()
        for key, values in keys.items()
    }
    if any("aws:ResourceTag/InstanceId" in value for values in entries.values() for value in values):
        entries["aws:ResourceTag/InstanceId"] = [NOBODY]
    return [
        {"ContextKeyName": key, "ContextKeyValues": values, "ContextKeyType": "string"}
        for key, values in entries.items()
    ]


def _plain(value: str) -> str:
    return value.replace("${aws:ResourceTag/InstanceId}", NOBODY).replace("*", "0")
