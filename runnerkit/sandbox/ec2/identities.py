"""AssumeRoleWithWebIdentity as AWS answers it: by the token's signature and the role's trust policy; moto takes any."""

from __future__ import annotations

import json
import operator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.sandbox.ec2.core import Core

ACTION = "AssumeRoleWithWebIdentity"
PROVIDER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
DENIED = f"Not authorized to perform sts:{ACTION}"


def _like(text: str, pattern: str) -> bool:
    """IAM's ``StringLike``, in which a bracket is a bracket."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


OPERATORS: dict[str, Callable[[str, str], bool]] = {"StringEquals": operator.eq, "StringLike": _like}


def check(core: Core, body: bytes) -> None:
    """Let a request through as AWS would; without a provider that is trusted, as moto does.

    Raises:
        AwsError: The token is none, of somebody else, or too old; there is no such role, or it does not trust the job.
    """
    if core.provider is None:
        return
    asked = dict(parse_qsl(body.decode()))
    claims = _claims(core.provider(), asked.get("WebIdentityToken", ""))
    policy = _trust_policy(core.account, asked.get("RoleArn", ""))
    if not any(_allows(statement, claims) for statement in _statements(policy)):
        raise AwsError("AccessDenied", DENIED, 403)


def _trust_policy(account: str, arn: str) -> Mapping[str, Any]:
    """Who may be a role; nobody when there is none."""
    from moto.iam.models import iam_backends

    roles: Any = iam_backends[account]["aws"].roles.values()
    found = [role.assume_role_policy_document for role in roles if role.arn == arn]
    return dict(json.loads(found[0])) if found else {}


def _claims(key: str, token: str) -> Mapping[str, Any]:
    import jwt

    try:
        return dict(jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=f"https://{PROVIDER}"))
    except jwt.ExpiredSignatureError as error:
        raise AwsError("ExpiredTokenException", "Token expired: current date/time must be before it ends") from error
    except jwt.InvalidAudienceError as error:
        raise AwsError("InvalidIdentityToken", "Incorrect token audience") from error
    except jwt.PyJWTError as error:
        message = "The web identity token that was passed could not be validated"
        raise AwsError("InvalidIdentityToken", f"{message}: {error}") from error


def _statements(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]


def _allows(statement: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    actions = _listed(statement.get("Action"))
    principal = statement.get("Principal", {})
    federated = _listed(principal.get("Federated")) if isinstance(principal, dict) else []
    meant = f"sts:{ACTION}" in actions and any(each.endswith(PROVIDER) for each in federated)
    conditions = statement.get("Condition", {})
    return (
        statement.get("Effect") == "Allow"
        and meant
        and all(_holds(test, wanted, claims) for test, wanted in conditions.items())
    )


def _holds(test: str, wanted: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    fits = OPERATORS.get(test)
    return fits is not None and all(
        any(fits(str(claims.get(name.removeprefix(f"{PROVIDER}:"))), each) for each in _listed(value))
        for name, value in wanted.items()
    )


def _listed(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [] if value is None else [str(value)]
