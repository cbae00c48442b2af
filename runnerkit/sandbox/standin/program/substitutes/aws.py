"""aws-actions/configure-aws-credentials: a role that the sandbox's AWS knows is assumed by the job's identity.

Examples name roles that nobody made there: for those it gives out the keys that the runner was given.
"""

from __future__ import annotations

import html
import json
import os
import re
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from .toolkit import Failed, export, given, mask, output, runtime, say

SANDBOX = "RUNNERKIT_SANDBOX_AWS_"
AUDIENCE, SESSION, HOUR = "sts.amazonaws.com", "GitHubActions", "3600"
PATIENCE = 30.0
# What STS answers is XML of one shape.
FIELD = re.compile(r"<(AccessKeyId|SecretAccessKey|SessionToken|Message)>([^<]*)<")
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AccessKeyId",
    "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
    "AWS_SESSION_TOKEN": "SessionToken",
}
NO_OIDC = (
    "Credentials could not be loaded, please check your action inputs: It looks like you might be trying to"
    " authenticate with OIDC. Did you mean to set the `id-token` permission (`permissions: id-token: write`)?"
)


def main() -> None:
    """Export credentials, region and endpoint."""
    region = given("aws-region")
    if not re.fullmatch(r"[a-z0-9-]+", region):
        raise Failed(f"Input required and not supplied: aws-region ({region!r} is no region)")
    keys = _static_keys() or _role_keys()
    for name, value in keys.items():
        mask(value)
        export(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        export(name, region)
    endpoint = os.environ.get(f"{SANDBOX}ENDPOINT_URL")
    if endpoint:
        export("AWS_ENDPOINT_URL", endpoint)
    account = re.match(r"arn:aws[a-z-]*:iam::(\d{12}):", given("role-to-assume"))
    if account:
        output("aws-account-id", account[1])
    say(f"Authenticated at the sandbox's AWS{' as ' + given('role-to-assume') if given('role-to-assume') else ''}")


def _static_keys() -> dict[str, str] | None:
    key, secret = given("aws-access-key-id"), given("aws-secret-access-key")
    if not key:
        return None
    if not secret:
        raise Failed("'aws-secret-access-key' must be provided if 'aws-access-key-id' is provided")
    token = given("aws-session-token")
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    return keys | ({"AWS_SESSION_TOKEN": token} if token else {})


def _role_keys() -> dict[str, str]:
    role = given("role-to-assume")
    if not role:
        raise Failed("Credentials could not be loaded: give role-to-assume, or static keys.")
    if not runtime()["id_token"]:
        raise Failed(NO_OIDC)
    endpoint = os.environ.get(f"{SANDBOX}ENDPOINT_URL", "")
    return _assumed(endpoint, role) if role in _known_roles(endpoint) else _given_out()


def _known_roles(endpoint: str) -> list[str]:
    """The ARNs of all roles of the sandbox's AWS; none where nobody answers."""
    try:
        return list(json.loads(_asked(f"{endpoint}/_runnerkit/ec2/roles")))
    except (OSError, ValueError):
        return []


def _assumed(endpoint: str, role: str) -> dict[str, str]:
    """The keys that STS gives for the job's identity."""
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": given("role-session-name", SESSION),
        "DurationSeconds": given("role-duration-seconds", HOUR),
        "WebIdentityToken": _identity(given("audience", AUDIENCE)),
    }
    try:
        told = _asked(endpoint, data=urlencode(asked).encode())
    except HTTPError as error:
        said = dict(FIELD.findall(error.read().decode()))
        raise Failed(f"Could not assume role with OIDC: {html.unescape(said.get('Message', str(error)))}") from error
    except OSError as error:
        raise Failed(f"Could not assume role with OIDC: {error}") from error
    fields = dict(FIELD.findall(told))
    return {name: html.unescape(fields[field]) for name, field in VARIABLES.items()}


def _identity(audience: str) -> str:
    address = f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&{urlencode({'audience': audience})}"
    try:
        told: dict[str, Any] = json.loads(_asked(address, os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]))
    except OSError as error:
        raise Failed(f"GitHub gives the job no identity: {error}") from error
    return str(told["value"])


def _asked(address: str, token: str = "", data: bytes | None = None) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = Request(address, data, headers)  # noqa: S310 - the sandbox's own servers
    with build_opener(ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def _given_out() -> dict[str, str]:
    names = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    keys = {f"AWS_{name}": os.environ.get(f"{SANDBOX}{name}", "") for name in names}
    if not keys["AWS_ACCESS_KEY_ID"] or not keys["AWS_SECRET_ACCESS_KEY"]:
        raise Failed(f"The sandbox's runner has no AWS keys to give out: {SANDBOX}ACCESS_KEY_ID is not set.")
    return {name: value for name, value in keys.items() if value}
