"""Who may see the status page and the metrics. Pure.

They tell what a team trains and what it pays. Without a password they are for people at this machine alone: a request
must come over the loopback address, directly, and ask for a local name - so neither a proxy in front nor a web page
that points its own name at this machine gets through.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSED_ON = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")
PASSED_ON_PREFIX = "HTTP_X_FORWARDED_"


class Verdict(Enum):
    """What the door says: come in, give the password, or stay out."""

    OPEN = 200
    ASK = 401
    SHUT = 403


@dataclass(frozen=True, slots=True)
class Door:
    """Keeps strangers out.

    Args:
        password: What visitors must give (any user name goes); with one, everybody must give it.
        local: Whether the server is bound to a loopback address and no proxy was configured.
    """

    password: str | None = field(repr=False)
    local: bool

    def judge(self, environ: Mapping[str, Any]) -> Verdict:
        """Decide about a request, by its WSGI environment."""
        if self.password is not None:
            right = hmac.compare_digest(_given(environ).encode("utf-8", "replace"), self.password.encode())
            return Verdict.OPEN if right else Verdict.ASK
        return Verdict.OPEN if self.local and _is_direct(environ) and _is_from_here(environ) else Verdict.SHUT


def is_loopback(address: str) -> bool:
    """Whether it is an address (not a name) of this machine alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _given(environ: Mapping[str, Any]) -> str:
    """The password of HTTP's basic authentication; empty when there is none to be read."""
    scheme, _, rest = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        text = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[2]


def _is_direct(environ: Mapping[str, Any]) -> bool:
    return not any(name in PASSED_ON or name.startswith(PASSED_ON_PREFIX) for name in environ)


def _is_from_here(environ: Mapping[str, Any]) -> bool:
    host = str(environ.get("HTTP_HOST", "")).lower()
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return is_loopback(str(environ.get("REMOTE_ADDR", ""))) and (name == "localhost" or is_loopback(name))
