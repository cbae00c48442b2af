"""EC2's metadata service, version 2: what this instance is, and what AWS is about to do with it."""

from __future__ import annotations

import calendar
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ENDPOINT = "http://169.254.169.254"
ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
WARNING = 120.0  # what AWS gives between notice and end
NOT_FOUND = 404
UNAUTHORIZED = 401

FACTS = {
    "instance_id": "instance-id",
    "type": "instance-type",
    "zone": "placement/availability-zone",
    "market": "instance-life-cycle",
}


@dataclass(frozen=True)
class Notice:
    """AWS takes the machine: ``action`` is terminate, stop or hibernate, ``at`` seconds since the epoch."""

    action: str
    at: float


class Imds:
    """A client of the metadata service; every method may raise OSError when it cannot be reached.

    Args:
        environ: Where another endpoint may be named, as the AWS tools do.
        timeout: Seconds for each request.
    """

    def __init__(self, environ: Mapping[str, str], timeout: float = 2.0) -> None:
        self._base = (environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT).rstrip("/")
        self._timeout = timeout
        self._token = ""
        # A proxy meant for the internet must not be asked for link-local addresses.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def notice(self, wall: float) -> Notice | None:
        """The interruption notice, if there is one; an unreadable one counts as the usual two minutes."""
        text = self.get("meta-data/spot/instance-action")
        if text is None:
            return None
        said = _object(text)
        return Notice(str(said.get("action", "terminate")), _epoch(said.get("time"), wall + WARNING))

    def rebalance(self, wall: float) -> float | None:
        """When AWS recommended to move elsewhere, if it did."""
        text = self.get("meta-data/events/recommendations/rebalance")
        return None if text is None else _epoch(_object(text).get("noticeTime"), wall)

    def facts(self) -> dict[str, str]:
        """What this instance is; unknown facts are left out."""
        found = {name: self.get(f"meta-data/{path}") for name, path in FACTS.items()}
        return {name: value for name, value in found.items() if value}

    def get(self, path: str) -> str | None:
        """A text of the service, or None when it has none there."""
        for fresh in (False, True):
            if fresh or not self._token:
                seconds = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
                self._token = self._ask("api/token", seconds, method="PUT")
            try:
                return self._ask(path, {"X-aws-ec2-metadata-token": self._token})
            except urllib.error.HTTPError as error:
                if error.code == NOT_FOUND:
                    return None
                if error.code != UNAUTHORIZED or fresh:
                    raise
        return None

    def _ask(self, path: str, headers: dict[str, str], method: str = "GET") -> str:
        url = f"{self._base}/latest/{path}"
        request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - the endpoint root chose
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return str(answer.read(65_536).decode("utf-8", "replace"))
        except urllib.error.HTTPError as error:
            error.close()
            raise
        except http.client.HTTPException as error:
            raise OSError(f"{url}: {error!r}") from error


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _epoch(text: object, otherwise: float) -> float:
    try:
        return float(calendar.timegm(time.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ")))
    except (ValueError, OverflowError):
        return otherwise
