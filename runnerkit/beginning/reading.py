"""The checkout and what surrounds it, read: git, small files, and whether credentials are there. Nothing is written."""

from __future__ import annotations

import subprocess
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.beginning.words import Around, Read
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What tells something about a project; longer ones are cut, and links that lead out of the checkout are not followed.
TELLING = (
    "dvc.yaml", "dvc.lock", ".dvc/config", "params.yaml", "requirements.txt", "pyproject.toml", "uv.lock",
    "poetry.lock", ".python-version", "runnerkit.toml", "train.py", "src/train.py", "main.py",
)  # fmt: skip
# What makes a folder the project's, where somebody is deeper within it.
MARKS = ("runnerkit.toml", "dvc.yaml", ".dvc/config", "pyproject.toml", "requirements.txt")
LONGEST = 200_000
MOST_REMOTES = MOST_WORKFLOWS = 50
PATIENCE = 20.0


def checkout(folder: Path) -> Read:
    """What is read of the checkout that a folder belongs to.

    Raises:
        ConfigError: The folder is in no git checkout, or git is missing or refuses.
    """
    inside = _git(folder, "rev-parse", "--is-inside-work-tree", "--show-toplevel")
    lines = (inside or "").splitlines()
    if not lines or lines[0] != "true":
        raise ConfigError(f"{folder} is not in a git checkout", hint="run this in a clone, or begin one: git init")
    top = Path(lines[1]).resolve()
    project = _project(folder.resolve(), top)
    prefix = "" if project == top else f"{project.relative_to(top).as_posix()}/"
    tracked = (
        _git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "dvc.yaml", "*/dvc.yaml") or ""
    ).split("\0")
    return Read(
        top=top,
        prefix=prefix,
        remotes=tuple(_remotes(top)),
        head=_head(top),
        branches=tuple(_branches(top)),
        texts={name: text for name in TELLING if (text := _text(project / name, top)) is not None},
        workflows=dict(_workflows(top)),
        pipelines=tuple(sorted(path.removesuffix("dvc.yaml") for path in tracked if path)),
    )


def _project(folder: Path, top: Path) -> Path:
    """The nearest folder, from here up to the checkout's top, that looks like a project; else the top."""
    way = [folder, *folder.parents]
    for each in way[: way.index(top)] if top in way else ():
        if any((each / mark).is_file() for mark in MARKS):
            return each
    return top


def _remotes(top: Path) -> Iterator[tuple[str, str]]:
    """Names and addresses as git would call them, its ``insteadOf`` applied."""
    names = (_git(top, "remote") or "").splitlines()
    for name in names[:MOST_REMOTES]:
        url = _git(top, "remote", "get-url", "--", name)
        if url:
            yield name, url.removesuffix("\n")


def _head(top: Path) -> str:
    for remote in ("origin", "upstream"):
        head = _git(top, "symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD")
        if head:
            return head.strip().removeprefix(f"refs/remotes/{remote}/")
    return ""


def _branches(top: Path) -> Iterator[str]:
    current = (_git(top, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()
    if current:
        yield current
    for name in (_git(top, "for-each-ref", "--format=%(refname:short)", "refs/heads") or "").splitlines():
        if name != current:
            yield name


def _workflows(top: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((top / ".github" / "workflows").glob("*.y*ml"))[:MOST_WORKFLOWS]:
        text = _text(path, top)
        if text is not None:
            yield path.name, text


def _text(path: Path, top: Path) -> str | None:
    try:
        if not path.is_file() or not path.resolve().is_relative_to(top):
            return None
        with path.open("rb") as file:
            start = file.read(len(BOM_UTF16_LE))
        # Editors and shells of Windows begin a file with such a mark, and pip reads it.
        encoding = "utf-16" if start in {BOM_UTF16_LE, BOM_UTF16_BE} else "utf-8-sig"
        with path.open(encoding=encoding, errors="replace") as file:
            return file.read(LONGEST)
    except OSError:
        return None


def _git(folder: Path, *words: str) -> str | None:
    """What git answers; None when it says no.

    Raises:
        ConfigError: There is no git, or it does not trust the checkout.
    """
    try:
        done = subprocess.run(  # noqa: S603 - git itself, with words of ours
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words],  # noqa: S607 - whichever git there is
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise ConfigError("git is not installed, or the folder is gone", hint="install git") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"git {words[0]} did not answer within {PATIENCE:.0f} s") from None
    if "dubious ownership" in done.stderr:
        raise ConfigError(f"{folder} belongs to another user, so git does not read it", hint="see git's safe.directory")
    return done.stdout if done.returncode == 0 else None


def surroundings(environment: Mapping[str, str]) -> Around:
    """Regions, and whether credentials for AWS and GitHub are there; none of them is read."""
    home = Path(environment.get("HOME") or "~").expanduser()
    config = Path(environment.get("AWS_CONFIG_FILE") or home / ".aws" / "config")
    return Around(
        region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "",
        profile=environment.get("AWS_PROFILE") or "default",
        aws_config=_own(config),
        aws=_aws(environment, home),
        github=_github(environment, home),
        api_url=environment.get("GITHUB_API_URL", ""),
    )


def _own(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:LONGEST]
    except OSError:
        return ""


def _aws(environment: Mapping[str, str], home: Path) -> str:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        if environment.get(name):
            return name
    credentials = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials")
    return str(credentials) if credentials.is_file() else ""


def _github(environment: Mapping[str, str], home: Path) -> str:
    for name in ("RUNNERKIT_GITHUB__TOKEN", "GH_TOKEN", "GITHUB_TOKEN"):
        if environment.get(name):
            return name
    config = Path(
        environment.get("GH_CONFIG_DIR") or Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "gh"
    )
    return "gh" if (config / "hosts.yml").is_file() else ""
