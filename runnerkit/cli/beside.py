"""What commands inside a job keep beside the DVC remote: which store that is, and what a run leaves there."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runnerkit.plain import annotation, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.github.changes import GitHubChanges
    from runnerkit.job.locks.bundle import Bundle
    from runnerkit.job.locks.offering import Offered, Wanted
    from runnerkit.job.pipeline import Project
    from runnerkit.job.registry.keeper import Keeper
    from runnerkit.job.result import Result
    from runnerkit.job.running import Pipeline
    from runnerkit.job.stores import Store

Beside = Annotated[
    str, typer.Option("--store", help="Where runs keep things: s3://BUCKET/PREFIX or a folder; beside the DVC remote.")
]
RunName = Annotated[str, typer.Option("--name", help="Tells the jobs of one run apart, as in a matrix.")]


def store_of(project: Project | None, given: str, environ: Mapping[str, str] = os.environ) -> Store:
    """The store that is meant: the one given, or else the one beside the project's remote.

    Raises:
        ConfigError: It is none, or there is no project here.
    """
    from runnerkit.job.pipeline import Project
    from runnerkit.stores import opened, remote_store

    if given:
        return opened(given)
    settings = (project or Project.find(Path.cwd())).settings(environ)
    return remote_store(settings.remote_url, settings.remote_options)


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a run shall leave: its lock in one of the ways of :mod:`runnerkit.job.locks`, and its record.

    ``mode`` is empty for the default, which leaves what it can and fails nothing.
    """

    mode: str = ""
    store: str = ""
    name: str = ""
    record: bool = True
    type: str = ""
    note: str = ""

    def check(self, *, push: bool, overrides: Sequence[str] = ()) -> None:
        """Refuse what cannot work before anything is run.

        Raises:
            ConfigError: It cannot.
        """
        from runnerkit.errors import ConfigError
        from runnerkit.job.locks.bundle import safe_run
        from runnerkit.job.locks.leaving import checked_mode
        from runnerkit.job.registry.record import checked_note, checked_type

        checked_mode(self.mode, push=push)
        checked_note(self.note)
        if self.type:
            checked_type(self.type)
        if self.name:
            safe_run(self.name)
        if self.mode in {"pr", "commit"}:
            _token()
            if overrides:
                raise ConfigError(
                    f"--lock {self.mode} cannot be used with --set-param: no commit has {', '.join(overrides)}",
                    hint="commit the params, or leave the lock as an artifact or beside the remote",
                )

    def join(self, pipeline: Pipeline, *, push: bool, say: Callable[[str], None]) -> None:
        """Let a pipeline leave its lock and its record."""
        from runnerkit.job.locks.leaving import checked_mode, forget

        # A run that fails must not hand on what an earlier one left.
        pipeline.listeners.insert(0, lambda moment, _: forget(pipeline.project.work) if moment == "start" else None)
        if self.record and push:
            self._record(pipeline, say)
        mode = checked_mode(self.mode, push=push)
        pipeline.leave = lambda result: self._leave(mode, pipeline.project, result, say)

    def _record(self, pipeline: Pipeline, say: Callable[[str], None]) -> None:
        from runnerkit.errors import ConfigError

        try:
            pipeline.listeners.append(self._keeper(pipeline, say))
        except ConfigError as error:
            say(f"::notice::runnerkit: this run is not in a registry: {error.message}")

    def _keeper(self, pipeline: Pipeline, say: Callable[[str], None]) -> Keeper:
        from runnerkit.job.place import Place
        from runnerkit.job.registry.keeper import Keeper
        from runnerkit.job.registry.record import begun

        record = begun(Place.of(os.environ), os.environ, name=self.name)
        pairs = (each.partition("=") for each in pipeline.result.overrides)
        inputs = {name: value for name, _, value in pairs}
        record = replace(record, type=self.type, note=self.note, inputs=inputs)
        return Keeper(record, store_of(pipeline.project, self.store), pipeline.project, say)

    def _leave(self, mode: str, project: Project, result: Result, say: Callable[[str], None]) -> None:
        from runnerkit.errors import RunnerkitError

        if mode == "none":
            return
        try:
            result.lock = self._left(mode, project, result, say)
        except RunnerkitError as error:
            if self.mode:
                raise
            say(f"::notice::runnerkit: no lock is left: {'; '.join(filter(None, (error.message, error.hint)))}")

    def _left(self, mode: str, project: Project, result: Result, say: Callable[[str], None]) -> str:
        from runnerkit.job.locks import leaving
        from runnerkit.job.locks.gathering import gathered
        from runnerkit.job.place import Place

        place = Place.of(os.environ)
        bundle = replace(gathered(project, place, os.environ, result.sha), overrides=tuple(result.overrides))
        check_objects(bundle, project)
        if mode == "s3":
            store = store_of(project, self.store)
            key = leaving.in_store(bundle, store, f"local-{bundle.sha[:12]}", self.name)
            say(f"runnerkit: lock left at {store.address}/{key}")
            return key
        folder = leaving.in_folder(bundle, project.work)
        if mode == "artifact":
            say(f"runnerkit: lock left in {folder}")
        else:
            say(f"runnerkit: {sentence(given(bundle, mode))}")
        return str(folder)


def check_objects(bundle: Bundle, project: Project) -> int:
    """Make sure that what the lock names is on the remote; returns how many objects there are.

    Raises:
        NotPushed: Something is not.
        CloudError: The remote cannot be asked.
    """
    from runnerkit.errors import ConfigError, NotPushed
    from runnerkit.job.checks import git
    from runnerkit.job.locks.objects import Elsewhere, missing, named
    from runnerkit.stores import remote_store

    settings = project.settings()
    top = Path((git(project.root, "rev-parse", "--show-toplevel") or "").strip() or project.root)
    objects = named(bundle, Elsewhere(top))
    try:
        remote = remote_store(settings.remote_url, settings.remote_options, "")
    except ConfigError:
        return 0  # a kind of remote that we cannot look into: DVC has pushed, and has to be believed
    absent = [] if settings.versioned else missing(objects, remote)
    if absent:
        raise NotPushed(
            f"the lock names what is not on the remote {remote.address}: {', '.join(absent[:5])}",
            hint="run `dvc push` where it was made; a lock without its data is not handed on",
        )
    return len(objects)


def given(bundle: Bundle, mode: str, *, branch: str = "", repo: str = "", message: str = "") -> Offered:
    """Commit a bundle or propose it, as GitHub's token in the environment may.

    Raises:
        LockStale: The branch is past it.
        ForgeError: As GitHub says.
    """
    from runnerkit.job.locks.offering import commit, propose

    to = aimed(bundle, branch=branch, repo=repo, message=message)
    changes = _changes(to)
    try:
        return commit(bundle, changes, to) if mode == "commit" else propose(bundle, changes, to)
    finally:
        changes.close()


def aimed(bundle: Bundle, *, branch: str = "", repo: str = "", message: str = "") -> Wanted:
    """Where a bundle goes from this job or this desk.

    Raises:
        ConfigError: It belongs elsewhere, or nobody knows where.
        LockStale: It belongs to another commit than this run.
    """
    from runnerkit.job.locks.gathering import branch_of
    from runnerkit.job.locks.offering import wanted
    from runnerkit.job.place import Place

    return wanted(bundle, Place.of(os.environ), branch_of(os.environ), branch=branch, repo=repo, message=message)


def _changes(to: Wanted) -> GitHubChanges:
    from runnerkit.config import load
    from runnerkit.github.changes import GitHubChanges
    from runnerkit.system import SystemClock

    _token()
    # Not from the checkout, which is the pull request's: no file of it may say where the token goes.
    return GitHubChanges(load(os.environ, Path("/"), None)[0].github, clock=SystemClock(), repos=(to.repo,))


def _token() -> None:
    from runnerkit.errors import ConfigError

    if not any(os.environ.get(name) for name in ("GH_TOKEN", "GITHUB_TOKEN", "RUNNERKIT_GITHUB__TOKEN")):
        raise ConfigError(
            "there is no token to write to the repository with",
            hint="env: GITHUB_TOKEN: ${{ github.token }}, and `contents: write` (for pr `pull-requests: write`, too)",
        )


def sentence(done: Offered) -> str:
    """What became of a lock."""
    words = {
        "unchanged": f"{done.branch} holds this lock already" + (f": {done.url}" if done.url else ""),
        "committed": f"lock committed to {done.branch} as {done.sha[:12]}",
        "opened": f"pull request opened: {done.url}",
        "updated": f"pull request brought up to date: {done.url}",
    }
    return words[done.what]


def tell(text: str) -> None:
    """A line for people on standard error, where it does not disturb what programs read."""
    sys.stderr.write(f"{annotation(text) if text.startswith('::') else lines(text)}\n")
