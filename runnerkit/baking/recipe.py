"""Recipes of machine images: what is installed on which base, in which order, and what must be true afterwards. Pure.

A recipe is TOML: some keys about the image and a list of steps. Everything that decides what the image holds goes into
its digest, and the digest is part of the image's name: the same recipe is never baked twice without need.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from runnerkit.errors import ConfigError
from runnerkit.wishes import Written

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

NAME = r"^[a-z0-9][a-z0-9._-]{0,49}$"
DEFAULT_TIMEOUT = 1800
_LONGEST = 6 * 3600
_SPAN = re.compile(r"(\d{1,6})(s|m|h)?")
_UNITS = {None: 1, "s": 1, "m": 60, "h": 3600}
_PATH = r"^/[^\x00\n]*[^/\x00\n]$"


def _seconds(given: object) -> object:
    """Seconds of a text such as ``90s``, ``10m``, ``2h``; anything else is left to be refused."""
    found = _SPAN.fullmatch(given) if isinstance(given, str) else None
    return int(found[1]) * _UNITS[found[2]] if found else given


def _pattern(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        re.compile(given)
    except re.error as error:
        msg = f"is not a regular expression ({error})"
        raise ValueError(msg) from None
    return given


Seconds = Annotated[int, BeforeValidator(_seconds), Field(ge=1, le=_LONGEST)]
Pattern = Annotated[str, BeforeValidator(_pattern)]


class Docker(StrEnum):
    """Whether jobs get Docker: not at all, as their own user, or with root's powers over the machine."""

    NONE = "none"
    ROOTLESS = "rootless"
    ROOTFUL = "rootful"


class Base(Written):
    """What an image is built on: exactly one of an AMI's id, a public SSM parameter, or another recipe's image."""

    ami: str | None = Field(default=None, pattern=r"^ami-[0-9a-f]{8,17}$")
    ssm: str | None = Field(default=None, pattern=r"^/")
    recipe: str | None = Field(default=None, pattern=NAME)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: object) -> object:
        """A text alone is an AMI's id, a parameter's name, or a recipe's name."""
        if not isinstance(given, str):
            return given
        return {"ami" if given.startswith("ami-") else "ssm" if given.startswith("/") else "recipe": given}

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.ami, self.ssm, self.recipe)) != 1:
            msg = "give exactly one of ami, ssm, recipe"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        return self.ami or self.ssm or self.recipe or ""


class Check(Written):
    """A command whose end (0) and output say whether the image is right. Run after the last step, every time."""

    run: str = Field(min_length=1)
    name: str = ""
    expect: Pattern = ""
    timeout: Seconds = 300


class Step(Written):
    """One step: ``run`` a script as root, ``put`` or ``text`` a file ``to`` a place, or ``use`` what runnerkit brings.

    ``put`` names a file beside the recipe. ``expect`` is looked for in what the step prints. ``timeout`` is in seconds.
    """

    name: str = ""
    run: str | None = None
    put: str | None = None
    text: str | None = None
    use: Literal["agent", "runner", "docker", "uv", "runnerkit"] | None = None
    to: str | None = Field(default=None, pattern=_PATH)
    mode: str = Field(default="0644", pattern=r"^0?[0-7]{3}$")
    expect: Pattern = ""
    timeout: Seconds = DEFAULT_TIMEOUT

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(each is not None for each in (self.run, self.put, self.text, self.use)) != 1:
            msg = "give exactly one of run, put, text, use"
            raise ValueError(msg)
        if (self.to is None) != (self.put is None and self.text is None):
            msg = "to goes with put or text: it says where the file shall be"
            raise ValueError(msg)
        return self

    @property
    def title(self) -> str:
        """The step's name, or what it does."""
        if self.name:
            return self.name
        if self.run is not None:
            return self.run.strip().splitlines()[0][:60] if self.run.strip() else "run"
        return f"install {self.use}" if self.use else f"put {self.to}"


class RunnerPin(Written):
    """A certain version of GitHub's runner; without it the newest that GitHub offers goes in."""

    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")


class Recipe(Written):
    """A recipe.

    ``types`` are instance types that may build it, ``disk`` is the size of the root disk in GB (0: the base's), ``gpu``
    says that machines with GPUs shall boot its images, ``uv`` is the version that ``use = "uv"`` installs. ``files``
    holds what ``put`` names, once it is read.
    """

    name: str = Field(pattern=NAME)
    description: str = ""
    base: Base
    arch: Literal["x64", "arm64"] = "x64"
    types: tuple[str, ...] = Field(default=("m7i.large", "m6i.large", "t3.large"), min_length=1)
    disk: int = Field(default=0, ge=0, le=16_384)
    gpu: bool = False
    docker: Docker = Docker.ROOTFUL
    uv: str = Field(default="0.13.9", pattern=r"^\d+\.\d+\.\d+$")
    runner: RunnerPin | None = None
    steps: tuple[Step, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()
    files: dict[str, bytes] = Field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits for everything in it that can change an image: no words for people, no times."""
        left_out: dict[str, Any] = dict.fromkeys(("description", "types", "files"), True)
        left_out |= {key: {"__all__": {"name", "timeout"}} for key in ("steps", "checks")}
        said = self.model_dump(mode="json", exclude=left_out)
        told = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        return digest_of({"recipe": said, "files": told})

    def needs_runner(self) -> bool:
        """Whether GitHub must be asked for its newest runner."""
        return self.runner is None and any(step.use == "runner" for step in self.steps)


def digest_of(value: Any) -> str:  # noqa: ANN401 - whatever JSON can say
    """Twelve hexadecimal digits that stand for a value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def parse(text: str, name: str, origin: str) -> Recipe:
    """The recipe of a TOML text.

    Args:
        text: The TOML.
        name: The recipe's name, which is its file's.
        origin: The file, for messages.

    Raises:
        ConfigError: It cannot be used; every line of the message names file, key and reason.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: is not TOML: {error}") from None
    for key in ("name", "files"):
        if key in values:
            raise ConfigError(f"{origin}: {key}: no such key; a recipe is named by its file")
    try:
        return Recipe.model_validate({"name": name, **values})
    except ValidationError as error:
        raise ConfigError(
            "\n".join(_line(detail, origin) for detail in error.errors(include_url=False)),
            hint="docs/images.md lists the keys of a recipe",
        ) from None


def _line(detail: ErrorDetails, origin: str) -> str:
    path = [part for part in detail["loc"] if part != "function-before"]
    key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    if detail["type"] == "extra_forbidden":
        return f"{origin}: {key}: no such key{_nearest(path)}"
    reason, given = detail["msg"].removeprefix("Value error, "), detail["input"]
    said = f", not {given!r}" if isinstance(given, str | int | float) and len(str(given)) < 80 else ""  # noqa: PLR2004 - a line
    return f"{origin}: {key}: {reason[:1].lower()}{reason[1:]}{said}"


def _nearest(path: list[Any]) -> str:
    within: dict[str, type[Written]] = {"steps": Step, "checks": Check, "base": Base, "runner": RunnerPin}
    model = within.get(str(path[0]), Recipe) if len(path) > 1 else Recipe
    known = sorted(set(model.model_fields) - {"files"} - ({"name"} if model is Recipe else set()))
    near = get_close_matches(str(path[-1]), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"
