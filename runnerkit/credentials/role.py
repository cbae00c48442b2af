"""From a token of GitHub's to credentials of AWS's, by STS."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIENCE = "sts.amazonaws.com"
SHORTEST, LONGEST = 900, 43_200  # seconds
_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}")
REGION = re.compile(r"[a-z0-9-]{0,40}")
_BAD_TOKEN = frozenset({"InvalidIdentityToken", "IDPRejectedClaim", "ExpiredTokenException", "ExpiredToken"})


@dataclass(frozen=True, slots=True)
class Role:
    """The role to be: its ARN, the region of STS, and for how many seconds."""

    arn: str
    region: str = ""
    seconds: int = 3600

    def checked(self) -> Role:
        """The role, if it can be one.

        Raises:
            ConfigError: It cannot.
        """
        if not _ARN.fullmatch(self.arn):
            raise ConfigError(f"{self.arn!r} is no ARN of a role", hint="such as arn:aws:iam::123456789012:role/train")
        if not SHORTEST <= self.seconds <= LONGEST:
            raise ConfigError(f"{self.seconds} s is no time for a session", hint=f"{SHORTEST} to {LONGEST} seconds")
        if not REGION.fullmatch(self.region):
            raise ConfigError(f"{self.region!r} is no region", hint="such as eu-west-1")
        return self


@dataclass(frozen=True, slots=True)
class Session:
    """Credentials of AWS's until a moment (aware UTC)."""

    key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    until: datetime

    def as_process(self) -> dict[str, Any]:
        """As AWS's programs want to be answered.

        https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
        """
        return {
            "Version": 1,
            "AccessKeyId": self.key,
            "SecretAccessKey": self.secret,
            "SessionToken": self.token,
            "Expiration": self.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def session_name(environ: Mapping[str, str]) -> str:
    """What CloudTrail calls the session: the run."""
    words = ("runnerkit", environ.get("GITHUB_RUN_ID", ""), environ.get("GITHUB_RUN_ATTEMPT", ""))
    return re.sub(r"[^\w+=,.@-]", "-", "-".join(filter(None, words)), flags=re.ASCII)[:64]


def assume(role: Role, token: str, name: str) -> Session:
    """Exchange a token for credentials, by AssumeRoleWithWebIdentity; that call is not signed.

    Raises:
        ConfigError: The role's sessions cannot be so long.
        CloudDenied: AWS does not accept the token, or the role's trust policy refuses it.
        CloudUnavailable: AWS cannot be asked.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    retries: Any = {"mode": "standard", "total_max_attempts": 3}
    config = Config(signature_version=UNSIGNED, connect_timeout=5, read_timeout=20, retries=retries)
    try:
        # A session of its own, without the profile: that one asks us.
        client = boto3.session.Session(aws_access_key_id="-", aws_secret_access_key="-").client(  # noqa: S106 - unsigned
            "sts", region_name=role.region or _region(), config=config
        )
        said = client.assume_role_with_web_identity(
            RoleArn=role.arn, RoleSessionName=name, WebIdentityToken=token, DurationSeconds=role.seconds
        )["Credentials"]
    except ClientError as error:
        raise _refused(role, error.response["Error"]["Code"], error.response["Error"].get("Message", "")) from error
    except BotoCoreError as error:
        raise CloudUnavailable(f"AWS STS cannot be asked for {role.arn}: {error}", hint="it is asked again") from error
    return Session(said["AccessKeyId"], said["SecretAccessKey"], said["SessionToken"], said["Expiration"])


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _refused(role: Role, code: str, words: str) -> Exception:
    if "DurationSeconds" in words:
        return ConfigError(
            f"{role.arn} allows no session of {role.seconds} s: {words}",
            hint="ask for fewer --seconds, or raise the role's maximum session duration",
        )
    if code in _BAD_TOKEN:
        return CloudDenied(
            f"AWS does not accept GitHub's token for {role.arn}: {words}",
            aws_code=code,
            hint="the account needs the identity provider token.actions.githubusercontent.com with this audience: "
            f"{AUDIENCE}",
        )
    if code in {"AccessDenied", "AccessDeniedException"}:
        return CloudDenied(
            f"the trust policy of {role.arn} does not let this job be that role: {words}",
            aws_code=code,
            hint="its condition on token.actions.githubusercontent.com:sub must fit this repository, branch or "
            "environment; `runnerkit credentials --explain` shows what the job's token says",
        )
    return CloudUnavailable(f"AWS STS failed for {role.arn}: {code}: {words}", aws_code=code, hint="it is asked again")
