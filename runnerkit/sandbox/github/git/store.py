"""The bare repositories on disk, and git itself."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from runnerkit.errors import ConfigError

LONGEST = 120.0
# Neither the user's settings nor a terminal may have a say in what the world does.
SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_TEMPLATE_DIR": "",
    "LC_ALL": "C.UTF-8",
}
# No hooks, no clearing up in the background; any commit may be asked for, as at GitHub; and nobody pushes to the refs
# that are GitHub's own.
CONFIG = f"""\
[core]
\thooksPath = {os.devnull}
[gc]
\tauto = 0
[receive]
\tautogc = false
\thideRefs = refs/pull
[transfer]
\thideRefs = refs/runnerkit
[uploadpack]
\tallowAnySHA1InWant = true
"""


class GitFailed(ConfigError):
    """Git ended with an error; ``said`` is what it printed. Where nobody expects one, this computer is the reason."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"git {command} failed: {said}")
        self.said = said


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment in which git depends on nothing but its arguments."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | SETTINGS | dict(more or {})


class Store:
    """All repositories that hold something; without any there is no folder either."""

    def __init__(self) -> None:
        # What the refs of a repository were when the world last looked; see `noticing`.
        self.seen: dict[str, dict[str, str]] = {}
        # Commits do not change, and the workflows of the same ones are read again and again.
        self.workflows: dict[tuple[str, str], dict[str, str]] = {}
        self._lock = threading.RLock()
        self._root: Path | None = None

    def holds(self, full_name: str) -> bool:
        """Tell whether the repository has a folder."""
        return full_name in self.seen

    def folder(self, full_name: str, parent: str | None = None) -> Path:
        """Give the repository's folder; a new one holds nothing, or what the fork's ``parent`` does."""
        with self._lock:
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix="runnerkit-git-"))
            folder = self._root / f"{full_name.lower()}.git"
            if full_name not in self.seen:
                _create(folder, self._root / f"{parent.lower()}.git" if parent in self.seen and parent else None)
                self.seen[full_name] = {}
                self.seen[full_name] = self.refs(full_name)
            return folder

    @property
    def root(self) -> Path | None:
        """The folder above all repositories, if there are any."""
        return self._root

    def run(
        self, full_name: str, *arguments: str, data: bytes | None = None, environ: Mapping[str, str] | None = None
    ) -> bytes:
        """Run git in a repository and give what it printed.

        Raises:
            GitFailed: it ended with an error.
        """
        return git("--git-dir", str(self.folder(full_name)), *arguments, data=data, environ=environ)

    def refs(self, full_name: str) -> dict[str, str]:
        """List branches and tags with the objects they point to."""
        if full_name not in self.seen:
            return {}
        lines = self.run(full_name, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        pairs = (line.split(" ", 1) for line in lines.decode().splitlines())
        return {name: sha for sha, name in pairs}

    def close(self) -> None:
        """Delete all folders."""
        with self._lock:
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)
            self._root = None
            self.seen.clear()


def git(*arguments: str, data: bytes | None = None, environ: Mapping[str, str] | None = None) -> bytes:
    """Run git by itself and give what it printed.

    Raises:
        GitFailed: it ended with an error or is not installed.
    """
    if any("\0" in each for each in arguments):
        raise GitFailed("with a name that holds a zero byte", "there is none such")
    # Only what follows the options about places is the command that an error should name.
    named = " ".join(each for each in arguments[:4] if not each.startswith(("-", "/")))
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments; names from outside are resolved to hashes first
            ["git", *arguments],  # noqa: S607 - whichever git the user has
            input=data if data is not None else b"",
            capture_output=True,
            timeout=LONGEST,
            env=environment(environ),
            check=False,
        )
    except FileNotFoundError:
        raise GitFailed(named, "git is not installed; the sandbox's repositories need git 2.30 or newer") from None
    if done.returncode:
        raise GitFailed(named, done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}")
    return done.stdout


def _create(folder: Path, parent: Path | None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if parent is None:
        git("init", "--quiet", "--bare", "--initial-branch=main", str(folder))
    else:
        git("clone", "--quiet", "--bare", "--no-hardlinks", str(parent), str(folder))
    with (folder / "config").open("a", encoding="utf-8") as config:
        config.write(CONFIG)
