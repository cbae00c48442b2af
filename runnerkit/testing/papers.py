"""What a fake GitHub keeps besides runners and jobs: reports, files, annotations, approvals, who owns what."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeUnavailable, NotFound
from runnerkit.model import Comment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Job
    from runnerkit.ports import Clock
    from runnerkit.testing.lies import Lies

DESCRIPTION_LIMIT = 140


class Papers:
    """The written half of :class:`runnerkit.testing.FakeForge`; keeps the port Reports and some of Forge.

    Args:
        clock: The world's clock.
        lies: What it does wrong.
    """

    def __init__(self, clock: Clock, lies: Lies) -> None:
        self.lies = lies
        self.statuses: list[tuple[str, str, str, str]] = []
        self.checks: list[tuple[str, str, str, str]] = []
        self._clock = clock
        self._numbers = count(1)
        self._comments: dict[tuple[str, int], list[Comment]] = {}
        self._files: dict[tuple[str, str], str] = {}
        self._repositories: dict[str, None] = {}
        self._said: dict[int, list[str]] = {}
        self._gates: dict[int, frozenset[str]] = {}

    # --- the contract: reports ----------------------------------------------------------------------------------------

    def comments(self, repo: str, number: int) -> Sequence[Comment]:
        """Every comment, oldest first."""
        return list(self._comments.get((repo, number), ()))

    def comment(self, repo: str, number: int, body: str, *, replace: int | None = None) -> Comment:
        """Write a comment or replace one."""
        thread = self._comments.setdefault((repo, number), [])
        if replace is not None and replace not in {old.id for old in thread}:
            raise NotFound(f"{repo}#{number} has no comment {replace}")
        written = Comment(replace or next(self._numbers), body, "runnerkit", f"{repo}#{number}", self._clock.now())
        kept = [written if old.id == replace else old for old in thread]
        self._comments[repo, number] = kept if replace else [*thread, written]
        return written

    def status(self, repo: str, sha: str, state: str, context: str, description: str = "", url: str = "") -> None:
        """Keep a status."""
        del repo, url
        self.statuses.append((sha, state, context, description[:DESCRIPTION_LIMIT]))

    def check(self, repo: str, sha: str, name: str, conclusion: str, title: str, summary: str) -> int:
        """Keep a check."""
        del repo, summary
        self.checks.append((sha, name, conclusion, title))
        return len(self.checks)

    # --- the contract: facts about jobs and repositories --------------------------------------------------------------

    def gates(self, repo: str, job: Job) -> frozenset[str] | None:
        """What a test let the job pass; None where it said nothing."""
        del repo
        self._may_fail("gates")
        return self._gates.get(job.id)

    def repositories(self, owner: str) -> Sequence[str]:
        """The owner's repositories that a test named, or in which it queued a job."""
        self._may_fail("repositories")
        return [repo for repo in self._repositories if repo.partition("/")[0].lower() == owner.lower()]

    def file(self, repo: str, path: str) -> str | None:
        """What a test wrote there."""
        self._may_fail("file")
        return self._files.get((repo, path))

    # --- for tests ----------------------------------------------------------------------------------------------------

    def own(self, *repos: str) -> None:
        """These repositories exist; one in which a job was queued does anyway."""
        self._repositories.update(dict.fromkeys(repos))

    def disown(self, repo: str) -> None:
        """A repository is archived, or taken out of our reach."""
        self._repositories.pop(repo, None)

    def write_file(self, repo: str, path: str, text: str | None) -> None:
        """Put a text on a repository's default branch, or take it away."""
        if text is None:
            self._files.pop((repo, path), None)
        else:
            self._files[repo, path] = text

    def annotate(self, job_id: int, *messages: str) -> None:
        """A step of the job says something by workflow commands."""
        self._said.setdefault(job_id, []).extend(messages)

    def gate(self, job_id: int, *environments: str) -> None:
        """The protection of these environments let the job through; none: it is known that there was none."""
        self._gates[job_id] = frozenset(name.lower() for name in environments)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _may_fail(self, what: str) -> None:
        if self.lies.chance(self.lies.failing):
            raise ForgeUnavailable(f"the fake GitHub fails at {what}")
