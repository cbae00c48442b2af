"""Tags, brought here from the git remote and sent there."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, NotPushed
from runnerkit.job.checks import git, signed_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECONDS = 120.0
MOST_LINES = 8  # of what git says, when it fails


def remote_of(root: Path) -> str:
    """The git remote's name: origin, or the only one; empty when there is none."""
    names = (git(root, "remote") or "").split()
    return "origin" if "origin" in names else names[0] if len(names) == 1 else ""


def fetch_tags(root: Path, remote: str, model: str) -> None:
    """Bring all tags of a model here: GTO counts with what it sees, and a usual checkout sees none.

    Raises:
        ConfigError: It did not work.
    """
    name = model.replace(":", "=")
    wanted = [f"refs/tags/{name}{sign}*:refs/tags/{name}{sign}*" for sign in "@#"]
    shallow = (git(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    depth = ["--depth", "1"] if shallow else []
    code, said = _run(root, "fetch", "--quiet", "--no-tags", *depth, remote, *wanted)
    if code:
        raise ConfigError(
            f"the tags of {model} cannot be fetched from {remote}: {said}",
            hint="see to the network and the token; a tag that is another one here than there has to go: git tag -d",
        )


def push_tags(root: Path, remote: str, tags: Sequence[str], made: Sequence[str]) -> None:
    """Send tags, all or none.

    Args:
        root: The repository.
        remote: Where to.
        tags: Which.
        made: Those of them that are new; they are removed here when it does not work.

    Raises:
        NotPushed: It did not work.
    """
    code, said = _run(root, "push", "--quiet", "--atomic", remote, *(f"refs/tags/{tag}" for tag in tags))
    if not code:
        return
    for tag in made:
        git(root, "tag", "--delete", tag)
    denied = "the job needs `permissions: contents: write`, and rules for tags must allow it"
    hint = "somebody else was quicker: run it again" if "already exists" in said else denied
    raise NotPushed(f"the tags {', '.join(tags)} could not be pushed to {remote}: {said}", hint=hint)


def _run(root: Path, *words: str) -> tuple[int, str]:
    """Git's exit code and last words: as the checkout is set up, or else with the job's own token."""
    code, said = _git(root, {}, *words)
    header = signed_in(os.environ)
    return _git(root, header, *words) if code and header and "already exists" not in said else (code, said)


def _git(root: Path, more: dict[str, str], *words: str) -> tuple[int, str]:
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **more}
    try:
        done = subprocess.run(  # noqa: S603 - our own list of arguments
            ["git", "-C", str(root), *words],  # noqa: S607 - the git of this machine
            env=environ, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("hint:")]
    return done.returncode, "; ".join(" ".join(line.split()) for line in lines[-MOST_LINES:])
