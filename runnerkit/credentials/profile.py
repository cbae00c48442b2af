"""A profile for AWS's programs that has them ask us for credentials, in a copy of the user's configuration."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.credentials.keeping import folder_of, own_folder
from runnerkit.credentials.role import REGION
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.credentials.role import Role

NAME = "runnerkit"
# What AWS's programs would take before a profile; empty counts as not set.
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def installed(role: Role, environ: Mapping[str, str]) -> dict[str, str]:
    """Write the profile, and give the variables that make AWS's programs use it.

    The user's own file is not touched: its other profiles are in the copy.

    Args:
        role: The role.
        environ: Where folders are named.

    Raises:
        ConfigError: The region that the environment names is none.
    """
    region = role.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION", "")
    if not REGION.fullmatch(region):
        # A second line of it would be a second setting of AWS's programs.
        raise ConfigError(f"AWS_REGION {region!r} is no region", hint="such as eu-west-1")
    words = [sys.executable, "-m", "runnerkit", "credentials", "--role-arn", role.arn, "--seconds", str(role.seconds)]
    words += ["--region", role.region] if role.region else []
    lines = [f"[profile {NAME}]", f"credential_process = {shlex.join(words)}"]
    lines += [f"region = {region}"] if region else []
    folder = own_folder(folder_of(environ))
    file = folder / "config"
    draft = folder / f"config.{os.getpid()}"
    draft.write_text("\n".join([_others(environ), *lines, ""]), encoding="utf-8")
    draft.replace(file)
    found = {"AWS_CONFIG_FILE": str(file), "AWS_PROFILE": NAME, **dict.fromkeys(KEYS, "")}
    return found | ({"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {})


def _others(environ: Mapping[str, str]) -> str:
    """What the user's configuration says, without a profile of our name."""
    named = environ.get("AWS_CONFIG_FILE") or str(Path(environ.get("HOME") or "/") / ".aws/config")
    try:
        text = Path(named).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    parts = re.split(r"(?m)^(?=\[)", text)
    return "".join(part for part in parts if not re.match(rf"\[profile\s+{NAME}\]", part)).rstrip("\n")
