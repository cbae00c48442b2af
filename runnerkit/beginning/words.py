"""The words of a beginning: what was read, what was found in it, what was answered. Frozen values without a rule."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Way(StrEnum):
    """Who launches: a job of the workflow itself, or a controller that hears of every job."""

    LAUNCH = "launch"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Read:
    """A checkout as it was read, before anything is concluded from it.

    ``top`` is the checkout's folder and ``prefix`` the project's below it (empty, or with a slash at its end).
    ``remotes`` are names and addresses, as git would call them. ``head`` is the branch that the first remote's HEAD
    names, ``branches`` are the local ones, that which is checked out first. ``texts`` are the files of the project's
    folder that tell something, ``workflows`` those of the checkout, ``pipelines`` the folders with a ``dvc.yaml``.
    """

    top: Path
    prefix: str = ""
    remotes: tuple[tuple[str, str], ...] = ()
    head: str = ""
    branches: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    workflows: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    pipelines: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.top / self.prefix


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds the checkout. Of secrets only that they are there; ``tools`` says who signed in to GitHub.

    ``api_url`` is what the environment says, ``aws_config`` the text of AWS's configuration file.
    """

    region: str = ""
    profile: str = "default"
    aws_config: str = ""
    aws: str = ""
    github: str = ""
    api_url: str = ""


@dataclass(frozen=True, slots=True)
class Hub:
    """What GitHub itself says about the repository; empty or None where it was not asked."""

    owner_kind: str = ""
    private: bool | None = None
    default_branch: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is, without anything secret that its address may hold.

    ``api_url`` is empty for github.com, and where only the environment can say it (a server on this computer).
    """

    repo: str
    host: str = "github.com"
    api_url: str = ""
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A DVC project.

    ``watched`` are the paths that its stages read, from the checkout's top; ``kind`` is the remote's scheme such as s3,
    empty without a remote; ``place`` is the remote's whole address on S3.
    """

    stages: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    kind: str = ""
    bucket: str = ""
    region: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Packages:
    """What installs the project's packages: pip, uv, poetry or nothing; ``files`` are those that say what is needed."""

    manager: str = ""
    files: tuple[str, ...] = ()
    python: str = "3.13"
    gpu_library: str = ""
    has_dvc: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found. ``configured`` names the file that configures runnerkit already; ``notes`` are sentences."""

    address: Address
    branch: str
    prefix: str
    pipeline: Pipeline | None
    packages: Packages
    script: str
    region: str
    region_from: str
    configured: str
    users: tuple[str, ...]
    aws: str
    github: str
    hub: Hub
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The findings as programs get them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Answers:
    """What was decided. ``gpu`` is as in a label, 0 for none; ``region`` and ``environment`` may be empty."""

    repo: str
    way: Way = Way.LAUNCH
    gpu: str = "t4"
    region: str = ""
    environment: str = ""
