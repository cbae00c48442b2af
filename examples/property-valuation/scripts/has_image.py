"""Tells whether a registry has an image: exit code 0 when it does, 1 when it does not. Needs nothing but Python."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

KINDS = ("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json")
DOCKER = ("manifest.list", "manifest")
ACCEPT = ", ".join([*KINDS, *(f"application/vnd.docker.distribution.{kind}.v2+json" for kind in DOCKER)])
UNAUTHORIZED, ABSENT = 401, 404


def main(image: str) -> int:
    """Ask for the image's manifest. Source: OCI distribution specification 1.0."""
    host, _, rest = image.partition("/")
    name, _, tag = rest.rpartition(":")
    scheme = "http" if re.match(r"(localhost|127\.0\.0\.1)(:|$)", host) else "https"
    address = f"{scheme}://{host}/v2/{name}/manifests/{tag}"
    try:
        try:
            ask(address, {})
        except urllib.error.HTTPError as refused:
            if refused.code != UNAUTHORIZED:
                raise
            ask(address, {"Authorization": signed(refused.headers.get("WWW-Authenticate", ""))})
    except urllib.error.HTTPError as refused:
        if refused.code != ABSENT:
            raise SystemExit(f"{host} does not tell whether it has {image}: HTTP {refused.code}") from refused
        print(f"{image} is not there yet")
        return 1
    print(f"{image} is there already")
    return 0


def ask(address: str, headers: dict[str, str]) -> bytes:
    """GET."""
    request = urllib.request.Request(address, headers={"Accept": ACCEPT, **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def signed(challenge: str) -> str:
    """What answers a registry's challenge: the password itself, or a token that it is exchanged for."""
    pair = f"{os.environ['REGISTRY_USER']}:{os.environ['REGISTRY_PASSWORD']}"
    basic = "Basic " + base64.b64encode(pair.encode()).decode()
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not challenge.lower().startswith("bearer"):
        return basic
    query = urllib.parse.urlencode({name: asked[name] for name in ("service", "scope") if name in asked})
    told = json.loads(ask(f"{asked['realm']}?{query}", {"Authorization": basic}))
    return f"Bearer {told.get('token') or told['access_token']}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
