"""Commits a bundle to its branch, or opens a pull request with it, unless the branch has left it behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runnerkit.errors import ConfigError, ForgeRejected, LockStale, NotFound
from runnerkit.job.locks.permitted import undeclared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.job.locks.bundle import Bundle
    from runnerkit.job.place import Place

TRIES = 3
NO_WORKFLOW = (
    "a commit made with the GITHUB_TOKEN of a workflow starts no workflow: checks of the branch do not run for it "
    "unless the token is a GitHub App's or a person's"
)


@dataclass(frozen=True, slots=True)
class Since:
    """How a branch got from one commit to another: ``files`` changed, None when they are too many to be listed."""

    straight: bool
    files: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request; ``new`` when it was opened just now, ``open`` unless somebody closed or merged it."""

    number: int
    url: str
    new: bool
    open: bool = True


class Changes(Protocol):
    """What is done to a repository. Every method may raise ForgeError."""

    def tip(self, repo: str, branch: str) -> str:
        """The commit that a branch points to; NotFound when there is no such branch."""

    def text(self, repo: str, sha: str, path: str) -> str | None:
        """A file of a commit; None when there is none, or no text."""

    def since(self, repo: str, base: str, head: str) -> Since:
        """What happened between two commits."""

    def commit(self, repo: str, parent: str, files: Mapping[str, str], message: str) -> str:
        """Make a commit on top of another, on no branch yet; empty when it would change nothing."""

    def point(self, repo: str, branch: str, sha: str, *, new: bool = False, force: bool = False) -> bool:
        """Make a branch, or move it; False when it is elsewhere meanwhile."""

    def pull(self, repo: str, head: str, base: str, title: str, body: str) -> Pull:
        """Open a pull request between two branches, or find the one that was opened before."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of a bundle: committed, opened, updated, or unchanged."""

    what: str
    branch: str
    sha: str = ""
    url: str = ""

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        return {"done": self.what, "branch": self.branch, "sha": self.sha, "url": self.url}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a bundle shall go: a branch of a repository, with the words for it."""

    repo: str
    branch: str
    message: str
    body: str = ""


def wanted(
    bundle: Bundle, place: Place, about: tuple[str, str], *, branch: str = "", repo: str = "", message: str = ""
) -> Wanted:
    """Where a bundle belongs. In a job, what GitHub says of this run counts, not what the bundle says of itself.

    Args:
        bundle: From a job that ran anybody's code.
        place: The job we are in.
        about: The branch that its run is about, and the repository of that, as ``branch_of`` tells them.
        branch: Given by a person or a workflow; then the bundle may be another run's.
        repo: As ``branch``.
        message: The first line of the commit.

    Raises:
        ConfigError: Nobody says which branch, it is in a fork, or the bundle is another run's.
        LockStale: It belongs to another commit than this run.
    """
    if place.run_id and not branch:
        _check_run(bundle, place, about)
    if bundle.overrides:
        raise ConfigError(
            f"this lock was made with params that no commit has: {', '.join(bundle.overrides)}",
            hint="commit them and run the pipeline again; what did not change is restored",
        )
    where = repo or place.repo or bundle.repo
    if bundle.repo and where != bundle.repo:
        raise ConfigError(f"this lock is of {bundle.repo}, not of {where}", hint="take the lock of a run of this one")
    into = branch or bundle.branch
    if not into or not where:
        raise ConfigError(
            f"which {'branch' if where else 'repository'} the lock belongs to is not known",
            hint="give --branch NAME; a run on a tag has none" if where else "give --repo OWNER/NAME",
        )
    if not branch and bundle.head_repo not in {"", where}:
        raise ConfigError(
            f"the branch {into} is in {bundle.head_repo or 'a fork'}, to which a workflow of {where} cannot write",
            hint="leave it as an artifact (`--lock artifact`), or give --branch with one of this repository",
        )
    words = message or f"Record the results of {f'run {bundle.run}' if bundle.run else bundle.head[:12]}"
    return Wanted(where, into, words, _body(bundle, place))


def _check_run(bundle: Bundle, place: Place, about: tuple[str, str]) -> None:
    if bundle.run != place.run_id:
        raise ConfigError(
            f"this lock was left by run {bundle.run or 'of no workflow'}, and this is run {place.run_id}",
            hint="give --branch NAME if it is meant all the same",
        )
    if (bundle.branch, bundle.head_repo or place.repo) != (about[0], about[1] or place.repo):
        raise ConfigError(
            f"this lock says that it is of the branch {bundle.branch or '(none)'}, and this run is about {about[0]}",
            hint="give --branch NAME if it is meant all the same",
        )
    if place.sha and place.sha != bundle.head:
        raise LockStale(
            f"this lock belongs to commit {bundle.head[:12]}, and this run to {place.sha[:12]}",
            hint="check out the commit of the event in the job that trains",
        )


def _body(bundle: Bundle, place: Place) -> str:
    made = f"commit {bundle.head}" + (f", attempt {bundle.attempt}" if bundle.attempt > 1 else "")
    files = ", ".join(f"`{path}`" for path in bundle.committed)
    return f"Lock and metrics of {made}: {files}.\n\nAll data is on the DVC remote.\n\n{place.url}".strip()


def commit(bundle: Bundle, changes: Changes, to: Wanted) -> Offered:
    """Commit the bundle to its branch; when somebody pushes meanwhile, once more on top of that.

    Raises:
        LockStale: The branch has changed what the lock was made from.
        ForgeError: As GitHub says.
    """
    for _ in range(TRIES):
        tip, made = _on_tip(bundle, changes, to)
        if not made:
            return Offered("unchanged", to.branch, tip)
        if changes.point(to.repo, to.branch, made):
            return Offered("committed", to.branch, made)
    raise ForgeRejected(
        f"{to.branch} of {to.repo} moved {TRIES} times while the lock was committed", hint="run this again"
    )


def propose(bundle: Bundle, changes: Changes, to: Wanted) -> Offered:
    """Open a pull request with the bundle, one for each run; a second time brings it up to date.

    Raises:
        LockStale: The branch has changed what the lock was made from.
        ForgeError: As GitHub says.
    """
    branch = f"runnerkit/lock-{bundle.run or bundle.head[:12]}"
    there = _tip_or_none(changes, to.repo, branch)
    tip, made = _on_tip(bundle, changes, to)
    if not made:
        return Offered("unchanged", to.branch, tip)
    if there is None:
        changes.point(to.repo, branch, made, new=True)
    elif changes.commit(to.repo, there, bundle.committed, _message(to, bundle)):
        changes.point(to.repo, branch, made, force=True)
    else:
        made = there
    pull = changes.pull(to.repo, branch, to.branch, to.message, f"{to.body}\n\n{NO_WORKFLOW.capitalize()}.")
    what = "opened" if pull.new else "unchanged" if made == there or not pull.open else "updated"
    return Offered(what, branch, made, pull.url)


def _message(to: Wanted, bundle: Bundle) -> str:
    return f"{to.message}\n\nMade from {bundle.head} by runnerkit; its data is on the DVC remote.\n"


def _tip_or_none(changes: Changes, repo: str, branch: str) -> str | None:
    try:
        return changes.tip(repo, branch)
    except NotFound:
        return None


def _on_tip(bundle: Bundle, changes: Changes, to: Wanted) -> tuple[str, str]:
    """Where the branch is, and a commit on top of it, if the lock still fits; empty when it is there already."""
    if not bundle.committed:
        raise ConfigError("git ignores the lock files of this run", hint="take dvc.lock out of .gitignore")
    tip = changes.tip(to.repo, to.branch)
    strangers = undeclared(bundle, lambda path: changes.text(to.repo, tip, path))
    if strangers:
        raise ConfigError(
            f"this lock brings {', '.join(strangers[:5])}, which no dvc.yaml of {to.branch} declares as metrics",
            hint="let the run that should have left it run again",
        )
    made = changes.commit(to.repo, tip, bundle.committed, _message(to, bundle))
    if made and tip != bundle.head:
        _check_moved(bundle, changes.since(to.repo, bundle.head, tip), to.branch, tip)
    return tip, made


def _check_moved(bundle: Bundle, since: Since, branch: str, tip: str) -> None:
    hint = f"run the pipeline on {branch} as it is now; what did not change is restored"
    if not since.straight:
        raise LockStale(f"{branch} does not contain {bundle.head[:12]}, to which the lock belongs", hint=hint)
    if since.files is None:
        raise LockStale(f"{branch} changed in too many places since {bundle.head[:12]}", hint=hint)
    touched = bundle.concerns(since.files)
    if touched:
        shown = ", ".join(touched[:5])
        raise LockStale(
            f"{branch} moved from {bundle.head[:12]} to {tip[:12]} and changed {shown}, on which the lock rests",
            hint=hint,
        )
