"""Texts of people's and checkouts' making, as they may stand in TOML and YAML without meaning anything else. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

# https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions#filter-pattern-cheat-sheet
GLOB = re.compile(r"([*?+\[\]\\])")
LONGEST_NAME = 255


def quoted(text: str) -> str:
    """A text in double quotes, for TOML and YAML alike; printable texts only, so that neither needs what JSON lacks.

    Raises:
        ConfigError: It has a sign that is not printable.
    """
    if not text.isprintable():
        raise ConfigError(f"{text!r} has signs that cannot be printed, and so cannot stand in a file")
    return json.dumps(text, ensure_ascii=False)


def listed(texts: Iterable[str]) -> str:
    """A list of such texts on one line."""
    return f"[{', '.join(quoted(text) for text in texts)}]"


def literal(path: str) -> str:
    """A branch or path as a filter of GitHub's that matches it and nothing else."""
    escaped = GLOB.sub(r"\\\1", path)
    return f"\\{escaped}" if escaped.startswith("!") else escaped


def environment_name(text: str) -> str:
    """An environment's name, as GitHub takes it and as a workflow may hold it.

    Raises:
        ConfigError: It is too long, not printable, or holds an expression.
    """
    name = text.strip()
    if len(name) > LONGEST_NAME or not name.isprintable() or "${{" in name:
        raise ConfigError(
            f"{name[:60]!r} cannot be an environment's name",
            hint=f"at most {LONGEST_NAME} printable signs, and no expression",
        )
    return name
