"""The sandbox's servers are on this computer: whoever talks to them asks no proxy, whatever the environment says."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = "127.0.0.1"
# Programs read either; where both are set and differ it depends on the program which one counts.
NAMES = ("no_proxy", "NO_PROXY")
PROXIES = frozenset({"all_proxy", "http_proxy", "https_proxy"})


def past_proxies(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that lead programs past the proxy; none where no proxy is set."""
    if not any(name.lower() in PROXIES and value for name, value in environ.items()):
        return {}
    said = next((environ[name] for name in NAMES if environ.get(name)), "")
    hosts = [host.strip() for host in said.split(",") if host.strip()]
    wanted = hosts if HERE in hosts or "*" in hosts else [*hosts, HERE]
    return dict.fromkeys(NAMES, ",".join(wanted))


@contextmanager
def direct() -> Iterator[None]:
    """Lead this process past the proxy, and whatever it starts meanwhile."""
    before = {name: os.environ.get(name) for name in NAMES}
    os.environ.update(past_proxies())
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
