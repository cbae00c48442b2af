"""Recipes on disk: those of a person, by path or name, and those that come with runnerkit."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.baking import recipe as recipes
from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runnerkit.baking.recipe import Recipe

SUFFIX = ".toml"
_LARGEST = 32 * 1024 * 1024


def folders(beside: Path) -> tuple[Path, ...]:
    """Where recipes are looked for by name: ``ami`` in the current folder first, then what runnerkit brings."""
    package = Path(__file__).parents[1]
    return beside / "ami", package / "ami", package.parent / "ami"


def known(among: Iterable[Path]) -> dict[str, Path]:
    """The recipes that can be named, and where each is."""
    found: dict[str, Path] = {}
    for folder in among:
        for file in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
            found.setdefault(file.stem, file)
    return found


def load(word: str, among: Sequence[Path]) -> Recipe:
    """The recipe of a name or a path, with the files that it puts.

    Raises:
        ConfigError: There is none, or it cannot be used.
    """
    path = Path(word) if word.endswith(SUFFIX) or "/" in word else _named(word, known(among))
    found = recipes.parse(_text(path), path.stem, str(path))
    files = {step.put: _content(path.parent / step.put, path, step.put) for step in found.steps if step.put}
    return found.model_copy(update={"files": files})


def _named(word: str, there: dict[str, Path]) -> Path:
    if word in there:
        return there[word]
    near = get_close_matches(word, there, n=1)
    names = ", ".join(sorted(there)) or "none"
    raise ConfigError(
        f"there is no recipe named {word!r}",
        hint=f"did you mean {near[0]}?" if near else f"there are: {names}; or give the path of a .toml file",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None


def _content(file: Path, recipe: Path, key: str) -> bytes:
    try:
        if file.stat().st_size > _LARGEST:
            raise ConfigError(f"{recipe}: put: {key} is larger than 32 MiB", hint="let a step download it instead")
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{recipe}: put: {file} cannot be read: {error.strerror}") from None
