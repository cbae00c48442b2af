"""Whether a caller may do what it asks for, by the policies that moto's IAM keeps for it.

moto's own check is of no use here: it compares a statement's resources with the word ``*``, so a policy that names
resources allows nothing, and it knows nothing of the actions that this layer answers itself. Conditions are not looked
at, here as there: a statement that allows counts as if they held, one that denies as if they did not.
"""

from __future__ import annotations

import base64
import hashlib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.principals import documents, principal, root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runnerkit.sandbox.ec2.permits import Permit
    from runnerkit.sandbox.ec2.principals import Principal

UNKNOWN_KEY = {"ec2": ("AuthFailure", 401), "s3": ("InvalidAccessKeyId", 403)}
DENIED = {
    "batch": ("AccessDeniedException", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "sns": ("AuthorizationError", 403),
}
# Services whose protocol is JSON answer a denial as a fault of the request.
JSON_DENIED = ("AccessDeniedException", 400)
XML_DENIED = ("AccessDenied", 403)


class Guard:
    """The guard of one account. It lets everybody through until it is told to demand permissions.

    Args:
        account: Whose users and roles are asked for.
        roots: Access keys that may do everything.
    """

    def __init__(self, account: str, roots: Iterable[str]) -> None:
        self._account = account
        self._roots = frozenset(roots)
        self.demands = False

    def who(self, access_key: str) -> Principal | None:
        """The caller, None when nobody has this key."""
        return root(self._account) if access_key in self._roots else principal(self._account, access_key)

    def simulated(self, arn: str, action: str, resource: str) -> str:
        """What IAM's simulation says of a user or role: ``allowed``, ``implicitDeny`` or ``explicitDeny``."""
        policies = documents(self._account, arn)
        if policies is None:
            return "implicitDeny" if self.demands else "allowed"
        found = [_decision(policy, action, resource) for policy in policies]
        return "explicitDeny" if "Deny" in found else "allowed" if "Allow" in found else "implicitDeny"

    def check(self, service: str, protocol: str, access_key: str, permit: Permit) -> None:
        """Let a request through or refuse it.

        Raises:
            AwsError: The key is nobody's, or the caller's policies do not allow what the request asks for.
        """
        if not self.demands or not permit.action:
            return
        caller = self.who(access_key)
        if caller is None:
            raise _nobody(service)
        if caller.policies is None:
            return
        for action, resource in ((permit.action, permit.resource), *((each, "") for each in permit.beside)):
            found = [_decision(policy, action, resource) for policy in caller.policies]
            if "Deny" in found or "Allow" not in found:
                raise _denied(service, protocol, caller.arn, action, resource, explicit="Deny" in found)


def _decision(policy: Mapping[str, Any], action: str, resource: str) -> str:
    """``Deny``, ``Allow``, or nothing."""
    found = policy.get("Statement", [])
    statements = found if isinstance(found, list) else [found]
    said = {each["Effect"] for each in statements if _concerns(each, action, resource)}
    return "Deny" if "Deny" in said else "Allow" if "Allow" in said else ""


def _concerns(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if statement["Effect"] == "Deny" and statement.get("Condition"):
        return False
    return _named(statement, "Action", lambda each: fnmatchcase(action.lower(), each.lower())) and (
        not resource or _named(statement, "Resource", lambda each: _same(each, resource))
    )


def _named(statement: Mapping[str, Any], element: str, fits: Callable[[str], bool]) -> bool:
    """By the element or by its opposite, such as ``NotAction``."""
    if f"Not{element}" in statement:
        return not any(map(fits, _listed(statement[f"Not{element}"])))
    return any(map(fits, _listed(statement.get(element, []))))


def _same(pattern: str, arn: str) -> bool:
    """Whether an ARN, in which ``*`` stands for what is not known, fits a policy's pattern."""
    return fnmatchcase(arn, pattern) or fnmatchcase(arn.replace(":*:", "::", 1), pattern.replace(":*:", "::", 1))


def _listed(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _nobody(service: str) -> AwsError:
    code, status = UNKNOWN_KEY.get(service, ("InvalidClientTokenId", 403))
    message = "The AWS Access Key Id you provided does not exist in our records."
    return AwsError(code, "" if service == "ec2" else message, status)


def _denied(service: str, protocol: str, arn: str, action: str, resource: str, *, explicit: bool) -> AwsError:
    code, status = DENIED.get(service, JSON_DENIED if protocol == "json" else XML_DENIED)
    where = f" on resource: {resource}" if resource else ""
    why = "with an explicit deny in" if explicit else "because no identity-based policy allows the"
    reason = f"{why} an identity-based policy" if explicit else f"{why} {action} action"
    message = f"User: {arn} is not authorized to perform: {action}{where} {reason}"
    if service != "ec2":
        return AwsError(code, message, status)
    encoded = base64.urlsafe_b64encode(hashlib.sha512(message.encode()).digest()).decode()
    full = f"You are not authorized to perform this operation. {message}. Encoded authorization failure message: "
    return AwsError(code, full + encoded, status)
