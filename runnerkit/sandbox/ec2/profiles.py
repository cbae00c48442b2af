"""A person's own AWS configuration, kept away from those who use the sandbox, and from moto, which reads it too."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A file, as some programs take /dev/null for a missing one.
NOTHING = Path(__file__).with_name("no-profiles.ini")
FILES = {"AWS_CONFIG_FILE": str(NOTHING), "AWS_SHARED_CREDENTIALS_FILE": str(NOTHING)}
PROFILES = {"AWS_PROFILE": "default", "AWS_DEFAULT_PROFILE": "default"}
# What of a person's own variables leads an SDK elsewhere, or makes it fail, whatever the endpoint is.
LEADING_AWAY = {
    **PROFILES,
    "AWS_SESSION_TOKEN": "",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    "AWS_USE_FIPS_ENDPOINT": "false",
    "AWS_USE_DUALSTACK_ENDPOINT": "false",
}
OF_ONE_SERVICE = "AWS_ENDPOINT_URL_"


def turned(url: str) -> dict[str, str]:
    """Those of this process's variables that would lead away from ``url``, with values that do not."""
    harmless = {name: value for name, value in LEADING_AWAY.items() if name in os.environ}
    return harmless | {name: url for name in os.environ if name.startswith(OF_ONE_SERVICE)}


@contextmanager
def without_profiles() -> Iterator[None]:
    """Let moto load: it reads AWS's configuration, which may be broken or lack the profile. Not while others run."""
    harmless = FILES | {name: value for name, value in PROFILES.items() if name in os.environ}
    said = {name: os.environ.get(name) for name in harmless}
    os.environ |= harmless
    try:
        yield
    finally:
        for name, value in said.items():
            os.environ.pop(name, None)
            os.environ |= {} if value is None else {name: value}


def forget_profiles() -> None:
    """For a process that is nothing but a sandbox: what its user configured for AWS counts no more."""
    os.environ |= FILES | {name: value for name, value in PROFILES.items() if name in os.environ}
