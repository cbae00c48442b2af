"""aws-actions/configure-aws-credentials: gives out the sandbox's keys where AWS would give out real ones."""

from __future__ import annotations

import os
import re

from .toolkit import Failed, export, given, mask, output, runtime, say

SANDBOX = "RUNNERKIT_SANDBOX_AWS_"
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
    if not given("role-to-assume"):
        raise Failed("Credentials could not be loaded: give role-to-assume, or static keys.")
    if not runtime()["id_token"]:
        raise Failed(NO_OIDC)
    names = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    keys = {f"AWS_{name}": os.environ.get(f"{SANDBOX}{name}", "") for name in names}
    if not keys["AWS_ACCESS_KEY_ID"] or not keys["AWS_SECRET_ACCESS_KEY"]:
        raise Failed(f"The sandbox's runner has no AWS keys to give out: {SANDBOX}ACCESS_KEY_ID is not set.")
    return {name: value for name, value in keys.items() if value}
