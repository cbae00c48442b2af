"""AWS's signature, version 4, of a POST to the root of an endpoint: the one kind of call that the agent makes."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(NamedTuple):
    """The credentials of a role; ``token`` may be empty for those of a person."""

    id: str
    secret: str
    token: str = ""


def signed(
    keys: Keys, place: tuple[str, str], host: str, headers: Mapping[str, str], body: bytes, now: float
) -> dict[str, str]:
    """The headers with which the call is sent.

    Args:
        keys: Who calls.
        place: Region and service.
        host: As in the address, with its port if it has one.
        headers: Others that are to be signed.
        body: What is sent.
        now: Seconds since the epoch.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    every = {name.lower(): value.strip() for name, value in headers.items()}
    every.update({"host": host, "x-amz-date": stamp})
    if keys.token:
        every["x-amz-security-token"] = keys.token
    names = ";".join(sorted(every))
    lines = [f"{name}:{every[name]}" for name in sorted(every)]
    call = "\n".join(["POST", "/", "", *lines, "", names, hashlib.sha256(body).hexdigest()])
    scope = [stamp[:8], *place, "aws4_request"]
    text = "\n".join([ALGORITHM, stamp, "/".join(scope), hashlib.sha256(call.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in (*scope, text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    proof = f"Credential={keys.id}/{'/'.join(scope)}, SignedHeaders={names}, Signature={key.hex()}"
    return {**every, "authorization": f"{ALGORITHM} {proof}"}
