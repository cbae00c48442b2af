"""Models, versions and stages as GTO keeps them in git tags: https://github.com/treeverse/gto."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError, PromotionRefused
from runnerkit.job.checks import git
from runnerkit.job.promoting import bumped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version: its commit, the stages it is in now, and its tag."""

    version: str
    commit: str
    stages: tuple[str, ...]
    tag: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a model: ``event`` is GTO's word, ``at`` aware UTC."""

    at: datetime
    event: str
    version: str
    stage: str
    commit: str
    tag: str
    author: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "at": self.at.isoformat()}


class Registry:
    """The tags of one model in a repository.

    Args:
        root: The repository.
        model: Its name for GTO.
        author: Who writes tags: name and address.

    Raises:
        ConfigError: The name is none.
    """

    def __init__(self, root: Path, model: str, author: tuple[str, str]) -> None:
        self.root, self.model = root, model
        self._author = author
        from gto.constants import assert_fullname_is_valid

        with _explained():
            assert_fullname_is_valid(model)  # type: ignore[no-untyped-call] # GTO does not say its types

    def versions(self) -> list[Version]:
        """All registered versions that are not deprecated, the newest first."""
        import gto.api
        from gto.exceptions import ArtifactNotFound

        with _explained():
            try:
                found = gto.api.show(str(self.root), name=self.model, registered_only=True)
            except ArtifactNotFound:
                return []
        return [
            Version(
                each["version"],
                each["commit_hexsha"],
                tuple(stage["stage"] for stage in each["stages"]),
                str(each["registrations"][-1]["tag"]),
            )
            for each in found
        ]

    def in_stage(self, stage: str) -> Version | None:
        """The version that is in a stage now."""
        return next((each for each in self.versions() if stage in each.stages), None)

    def version(self, name: str) -> Version | None:
        """A version, by its name."""
        return next((each for each in self.versions() if each.version == name), None)

    def at_commit(self, commit: str) -> Version | None:
        """The version that a commit is."""
        return next((each for each in self.versions() if each.commit == commit), None)

    def history(self) -> list[Entry]:
        """What happened to it, the newest first."""
        import gto.api
        from gto.exceptions import ArtifactNotFound

        with _explained():
            try:
                found = gto.api.history(str(self.root), artifact=self.model)
            except ArtifactNotFound:
                return []
        entries = [
            Entry(
                each["timestamp"].astimezone(UTC),
                str(each["event"]),
                str(each["version"] or ""),
                str(each["stage"] or ""),
                str(each["commit"] or ""),
                str(each["ref"] or ""),
                str(each["author"] or ""),
                str(each["message"] or "").strip(),
            )
            for each in found
            if each["event"] != "commit"
        ]
        return in_order(entries)

    def register(self, commit: str, version: str, bump: str, note: str) -> str:
        """Register a commit as a version, and return the tag.

        Args:
            commit: Which.
            version: As what; empty: the newest one, counted up.
            bump: major, minor or patch.
            note: Who, and in which run.
        """
        import gto.api

        name = version or ("" if self.versions() else bumped(bump))
        ups = {"bump_major": bump == "major", "bump_minor": bump == "minor", "bump_patch": bump == "patch"}
        given: dict[str, Any] = {"version": name} if name else ups
        with _explained():
            message = f"Registering artifact {self.model}{f' version {name}' if name else ''}\n\n{note}"
            event = gto.api.register(
                str(self.root), self.model, commit, message=message, author=self._author[0],
                author_email=self._author[1], **given,
            )  # fmt: skip
        return str(event.ref)

    def assign(self, version: str, stage: str, note: str) -> str:
        """Put a version into a stage, also one that was there before, and return the tag."""
        import gto.api

        self._another_second()
        with _explained():
            event = gto.api.assign(
                str(self.root), self.model, stage, version=version, force=True, author=self._author[0],
                author_email=self._author[1],
                message=f"Assigning stage {stage} to artifact {self.model} version {version}\n\n{note}",
            )  # fmt: skip
        return str(event.ref)

    def deprecate(self, version: str, note: str) -> str:
        """Take a version back, and return the tag; its stages fall back to what was there before."""
        import gto.api

        with _explained():
            event = gto.api.deregister(
                str(self.root), self.model, version=version, author=self._author[0], author_email=self._author[1],
                message=f"Deregistering artifact {self.model} version {version}\n\n{note}",
            )  # fmt: skip
        return str(event.ref)

    def _another_second(self) -> None:
        """Git keeps whole seconds, and of two assignments in one of them GTO may take the earlier one for the newer."""
        latest = max((entry.at.timestamp() for entry in self.history()), default=0.0)
        time.sleep(max(0.0, min(int(latest) + 1.05 - time.time(), 1.1)))


def author(root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """Who writes tags: as git's settings say, or else the person who started the run. Name and address.

    GTO would look into fewer files than git does.
    """
    actor = environ.get("GITHUB_ACTOR") or environ.get("USER") or "runnerkit"
    name = (git(root, "config", "user.name") or "").strip()
    address = (git(root, "config", "user.email") or "").strip()
    return name or actor, address or f"{actor}@users.noreply.github.com"


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """What happened, the newest first, also within the whole seconds that git keeps.

    An assignment of ours begins a second, see ``_another_second``; only a version of the same second was there before.
    """
    new = {(entry.at, entry.version) for entry in entries if entry.event == "registration"}

    def place(entry: Entry) -> tuple[datetime, int, int]:
        late = 2 if (entry.at, entry.version) in new else 0
        rank = {"registration": 1, "assignment": late}.get(entry.event, 3)
        return entry.at, rank, _counter(entry.tag)

    return sorted(entries, key=place, reverse=True)


def _counter(tag: str) -> int:
    number = tag.rpartition("#")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


@contextmanager
def _explained() -> Iterator[None]:
    from gto.exceptions import GTOException, NoRepo, ValidationError
    from scmrepo.exceptions import SCMError

    try:
        yield
    except NoRepo as error:
        raise ConfigError("this is no git repository", hint="check it out first (actions/checkout)") from error
    except ValidationError as error:
        raise ConfigError(f"GTO refuses the name: {' '.join(str(error).split())}") from error
    except GTOException as error:
        said = " ".join(str(error).split())
        raise PromotionRefused(f"GTO refuses it: {said}", reasons=[said]) from error
    except SCMError as error:
        why = " ".join(str(error).split())
        raise ConfigError(f"git cannot do it: {why}", hint="is user.name set? `git config user.name NAME`") from error
