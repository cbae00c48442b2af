"""EC2's metadata service, version 2: what this instance is, and what AWS is about to do with it."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ENDPOINT = "http://169.254.169.254"
ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
WARNING = 120.0  # what AWS gives between notice and end
MOST = 65_536
OK = 200
NOT_FOUND = 404
UNAUTHORIZED = 401

FACTS = {
    "instance_id": "instance-id",
    "type": "instance-type",
    "zone": "placement/availability-zone",
    "market": "instance-life-cycle",
}


class Notice(NamedTuple):
    """AWS takes the machine: ``action`` is terminate, stop or hibernate, ``at`` seconds since the epoch.

    ``left`` is how many seconds remain by AWS's own clock, at most the usual two minutes: ours may be wrong.
    """

    action: str
    at: float
    left: float = WARNING


class Imds:
    """A client of the metadata service; every method may raise OSError when it cannot be reached.

    It speaks HTTP by itself: the standard library's clients would take a third of the memory that the agent may have.

    Args:
        environ: Where another endpoint may be named, as the AWS tools do.
        timeout: Seconds for each request.
    """

    def __init__(self, environ: Mapping[str, str], timeout: float = 2.0) -> None:
        base = (environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT).rstrip("/")
        self._host, _, path = base.partition("://")[2].partition("/")
        self._path = f"/{path}/latest".replace("//", "/")
        self._timeout = timeout
        self._token = ""
        self._date = ""

    def notice(self, wall: float) -> Notice | None:
        """The interruption notice, if there is one; an unreadable one counts as the usual two minutes."""
        text = self.get("meta-data/spot/instance-action")
        if text is None:
            return None
        said = _object(text)
        aws = _epoch(self._date, wall, "%a, %d %b %Y %H:%M:%S GMT")
        at = _epoch(said.get("time"), aws + WARNING)
        return Notice(str(said.get("action", "terminate")), at, min(max(at - aws, 0.0), WARNING))

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
                status, self._token = self._ask("PUT", "api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600")
                if status != OK:
                    self._token = ""
                    raise OSError(f"the metadata service refuses a token: HTTP {status}")
            status, text = self._ask("GET", path, f"X-aws-ec2-metadata-token: {self._token}")
            if status != UNAUTHORIZED:
                break
        if status not in (OK, NOT_FOUND):
            raise OSError(f"{path}: HTTP {status}")
        return text if status == OK else None

    def _ask(self, method: str, path: str, header: str) -> tuple[int, str]:
        """Status and text of one answer; its date is kept."""
        name, _, port = self._host.partition(":")
        with socket.create_connection((name, int(port or 80)), self._timeout) as aws:
            lines = f"{method} {self._path}/{path} HTTP/1.0", f"Host: {self._host}", header, "Content-Length: 0", "", ""
            aws.sendall("\r\n".join(lines).encode())
            with aws.makefile("rb") as answer:
                head, _, body = answer.read(MOST).decode("utf-8", "replace").partition("\r\n\r\n")
        status = re.match(r"HTTP/1\.\d (\d{3})", head)
        if not status:
            raise OSError(f"{path}: no answer in HTTP")
        date = re.search(r"\r\nDate: *([^\r]+)", head, re.IGNORECASE)
        self._date = date[1] if date else ""
        return int(status[1]), body


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _epoch(text: object, otherwise: float, form: str = "%Y-%m-%dT%H:%M:%SZ") -> float:
    # These two take a megabyte, and are needed in the last minutes only.
    from calendar import timegm
    from time import strptime

    try:
        return float(timegm(strptime(str(text), form)))
    except (ValueError, OverflowError):
        return otherwise
