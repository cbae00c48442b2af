"""Who calls: the user, role or root of an access key, as moto's IAM and STS know them, with their policies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

PARTITION = "aws"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller.

    Attributes:
        arn: As AWS's messages name it.
        policies: The documents of all policies that count for it; None for the root, who may do everything.
    """

    arn: str
    policies: tuple[dict[str, Any], ...] | None = field(default=(), repr=False)


def principal(account: str, access_key: str) -> Principal | None:
    """Whose key it is; None when it is nobody's."""
    return _user(account, access_key) or _session(account, access_key)


def root(account: str) -> Principal:
    """Who owns the account."""
    return Principal(f"arn:{PARTITION}:iam::{account}:root", None)


def new_user(account: str, name: str, policies: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """Make a user, or give one that is there these inline policies; returns its access key and the key's secret."""
    iam = _iam(account)
    if name not in iam.users:
        iam.create_user("us-east-1", name)
    for title, document in policies.items():
        iam.put_user_policy(name, title, json.dumps(document))
    known = iam.users[name].access_keys
    made = known[0] if known else iam.create_access_key(name)
    return str(made.access_key_id), str(made.secret_access_key)


def _user(account: str, access_key: str) -> Principal | None:
    users: Any = _iam(account).users.values()
    found = [user for user in users if any(key.access_key_id == access_key for key in user.access_keys)]
    if not found:
        return None
    user = found[0]
    groups: Any = _iam(account).get_groups_for_user(user.name)
    return Principal(str(user.arn), tuple(each for owner in (user, *groups) for each in _documents(owner)))


def _session(account: str, access_key: str) -> Principal | None:
    from moto.sts.models import sts_backends

    sessions: Any = sts_backends[account][PARTITION].assumed_roles
    found = [session for session in sessions if session.access_key_id == access_key]
    if not found:
        return None
    arn = str(found[0].role_arn)
    roles: Any = _iam(account).roles.values()
    own = [document for role in roles if role.arn == arn for document in _documents(role)]
    name = arn.rpartition("/")[2]
    return Principal(f"arn:{PARTITION}:sts::{account}:assumed-role/{name}/{found[0].session_name}", tuple(own))


def roles(account: str) -> list[str]:
    """The ARNs of the account's roles."""
    return [str(role.arn) for role in _iam(account).roles.values()]


def documents(account: str, arn: str) -> tuple[dict[str, Any], ...] | None:
    """The policies of a user or role by its ARN; None when there is no such one."""
    iam = _iam(account)
    owners: list[Any] = [*iam.users.values(), *iam.roles.values()]
    found = [owner for owner in owners if owner.arn == arn]
    return tuple(_documents(found[0])) if found else None


def _documents(owner: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - moto's user, group or role
    managed = [version for policy in owner.managed_policies.values() for version in policy.versions]
    texts = [*owner.policies.values(), *(version.document for version in managed if version.is_default)]
    return [dict(json.loads(text)) for text in texts]


def _iam(account: str) -> Any:  # noqa: ANN401 - moto's, untyped
    from moto.iam.models import iam_backends

    return iam_backends[account][PARTITION]
