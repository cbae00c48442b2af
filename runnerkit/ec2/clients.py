"""boto3 clients: one of each kind for a region, made when first needed, and how often each of them retries."""

from __future__ import annotations

import hashlib
import os
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config

from runnerkit.ec2.answers import AwsFault, message_of, told
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient

    from runnerkit.settings import AwsSettings

# As many connections as a controller carries out actions at once: further ones would be opened and thrown away.
CONNECTIONS = 32
_TIMEOUTS: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 60,
    "user_agent_extra": "runnerkit",
    "max_pool_connections": CONNECTIONS,
}
_PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 3}, **_TIMEOUTS)
# botocore repeats HTTP 500 and 503 answers, and that is how EC2 reports missing capacity: a launch decides for itself.
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, **_TIMEOUTS)


class Clients:
    """The clients of one configuration. Safe to use from several threads.

    Args:
        settings: Regions, profile and endpoint; what they leave out is taken from AWS's environment variables and
            files.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._session: boto3.Session | None = None
        self._made: dict[tuple[str, str, bool], object] = {}

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions of the configuration, or the one that AWS's own configuration names.

        Raises:
            ConfigError: No region is set anywhere.
        """
        if self._settings.regions:
            return self._settings.regions
        region = os.environ.get("AWS_REGION") or self._opened().region_name
        if not region:
            raise ConfigError("no AWS region is set", hint="set regions in [aws], AWS_REGION, or region in the profile")
        return (region,)

    def ec2(self, region: str) -> EC2Client:
        """The client for reading, and for calls that may safely be repeated: three attempts."""
        return cast("EC2Client", self._client("ec2", region, once=False))

    def ec2_once(self, region: str) -> EC2Client:
        """The client for launching: a single attempt."""
        return cast("EC2Client", self._client("ec2", region, once=True))

    def ssm(self, region: str) -> SSMClient:
        """The client for public parameters."""
        return cast("SSMClient", self._client("ssm", region, once=False))

    def ssm_once(self, region: str) -> SSMClient:
        """The client for writing parameters: a single attempt, so that a lost answer is known as such."""
        return cast("SSMClient", self._client("ssm", region, once=True))

    def of(self, service: str, region: str, *, once: bool = False) -> Any:  # noqa: ANN401 - made at run time
        """The client for another service; ``once``: a single attempt, so that a lost answer is known as such."""
        return self._client(service, region, once=once)

    def account_key(self) -> str:
        """Stands for endpoint and credentials in keys of the cache."""
        with told("reading the AWS credentials"):
            credentials = self._opened().get_credentials()
        access_key = credentials.access_key if credentials is not None else ""
        endpoint = self._settings.endpoint_url or os.environ.get("AWS_ENDPOINT_URL", "")
        return hashlib.sha256(f"{endpoint}\n{access_key}".encode()).hexdigest()[:16]

    def _client(self, service: str, region: str, *, once: bool) -> object:
        key = (service, region, once)
        session = self._opened()
        with self._lock:
            if key not in self._made:
                with told(f"setting up AWS {service} for {region}"):
                    self._made[key] = self._make(session, service, region, _ONCE if once else _PATIENT)
            return self._made[key]

    def _make(self, session: boto3.Session, service: str, region: str, config: Config) -> object:
        make = cast("Any", session.client)
        try:
            return make(service, region_name=region, endpoint_url=self._settings.endpoint_url, config=config)
        except AwsFault:
            raise
        except ValueError as error:  # botocore's own for an address, which may be a variable's as well
            raise ConfigError(
                f"setting up AWS {service} for {region}: {message_of(error)}",
                hint="AWS_ENDPOINT_URL and endpoint_url in [aws] are addresses such as http://127.0.0.1:4566",
            ) from None

    def _opened(self) -> boto3.Session:
        with self._lock:
            if self._session is None:
                with told("reading AWS's own configuration"):
                    self._session = boto3.Session(profile_name=self._settings.profile)
            return self._session
