"""Where ``setup github`` puts what GitHub shows once: files for this user alone, where git does not take them along."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

GIT_WITHIN = 10.0
_HEADER = re.compile(r"^\[github\][ \t]*(#.*)?$", re.MULTILINE)


def folder(given: Path | None, environment: Mapping[str, str]) -> Path:
    """The folder for keys: the given one, or ``github`` in the state folder; nothing is written.

    Raises:
        ConfigError: Git would commit what is in it.
    """
    state = environment.get("RUNNERKIT_STATE_DIR")
    home = Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "runnerkit"
    chosen = (given or (Path(state) if state else home) / "github").expanduser().absolute()
    if _in_git(chosen):
        raise ConfigError(
            f"{chosen} is in a git work tree that does not ignore it: the App's private key could be committed",
            hint="choose a folder outside with --out, or list it in .gitignore first",
        )
    return chosen


def ready(chosen: Path) -> Path:
    """The folder, made, and proved to be writable before GitHub shows anything once.

    Raises:
        ConfigError: It cannot be written to.
    """
    try:
        chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=chosen).close()
    except OSError as error:
        raise ConfigError(
            f"{chosen} cannot be written to: {error.strerror}", hint="choose another with --out"
        ) from None
    return chosen


def _in_git(path: Path) -> bool:
    """Whether a work tree holds the folder and does not ignore what is in it; where git cannot tell, it does."""
    if not any((above / ".git").exists() for above in (path, *path.parents)):
        return False
    existing = next(each for each in (path, *path.parents) if each.is_dir())
    asked = ["git", "-c", "core.fsmonitor=false", "-C", str(existing), "check-ignore", "-q", str(path / "key.pem")]
    try:
        return subprocess.run(asked, check=False, capture_output=True, timeout=GIT_WITHIN).returncode != 0  # noqa: S603 - a fixed program, no shell
    except (OSError, subprocess.TimeoutExpired):
        return True


def keep(path: Path, text: str) -> Path:
    """Write a file that only this user can read, on the disk before it returns; one that is there is not overwritten.

    Returns:
        Where it is: the path, or the next one that is free.

    Raises:
        OSError: It cannot be written.
    """
    for number in range(1, 1000):
        place = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return place
    raise OSError(f"{path} and 998 others exist already")


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the App's key and its variables lie."""

    key: Path
    variables: Path


def keep_app(where: Path, slug: str, app_id: int, pem: str, webhook_secret: str | None) -> Kept:
    """Write the key first of all, then the variables that make runnerkit use it.

    Raises:
        OSError: Something cannot be written; the key is the first thing that is.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "-", slug) or "app"
    key = keep(where / f"{name}.private-key.pem", pem)
    told = {"RUNNERKIT_GITHUB__APP_ID": str(app_id), "RUNNERKIT_GITHUB__PRIVATE_KEY_FILE": str(key)}
    if webhook_secret:
        told["RUNNERKIT_SERVE__WEBHOOK_SECRETS"] = webhook_secret
    return Kept(key, keep(where / f"{name}.env", "".join(f"{name}={value}\n" for name, value in told.items())))


def write_settings(path: Path, values: Mapping[str, str]) -> bool:
    """Write keys of ``[github]`` into a configuration file, below its header; the rest stays as it is.

    Returns:
        Whether it was done. It is not where the file is missing, has one of the keys with another value, or is written
        in a way that this does not understand: then nothing is changed.
    """
    try:
        # Bytes, since lines may end in CRLF, and stay as they are.
        before = path.read_bytes().decode("utf-8")
        known = tomllib.loads(before)
    except (OSError, ValueError):
        return False
    there = known.get("github", {})
    missing = {key: value for key, value in values.items() if key not in there}
    if not isinstance(there, dict) or any(key in there and there[key] != values[key] for key in values):
        return False
    after = _inserted(before, "".join(f'{key} = "{value}"\n' for key, value in missing.items()))
    try:
        said = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return False
    if said != {**known, "github": {**there, **values}}:
        return False
    _replace(path.resolve(), after)
    return True


def _replace(path: Path, text: str) -> None:
    """Write a file whole, or leave it: with the mode that it had, and its line ends."""
    handle, made = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(made).chmod(path.stat().st_mode & 0o7777)
        Path(made).replace(path)
    except OSError:
        Path(made).unlink(missing_ok=True)
        raise


def _inserted(text: str, lines: str) -> str:
    if "\n" in text and text.count("\r\n") == text.count("\n"):
        return _inserted(text.replace("\r\n", "\n"), lines).replace("\n", "\r\n")
    found = _HEADER.search(text)
    if found is None:
        return f"{text.rstrip()}\n\n[github]\n{lines}"
    return f"{text[: found.end()]}\n{lines.rstrip()}{text[found.end() :]}"
