"""What the suites need of a world besides the adapter itself: how to make things happen there, and how they truly are.

A bench is made anew for every test and starts empty. Benches for the fakes and for the local EC2 and GitHub are in the
``tests/contract`` folder of runnerkit's source and serve as examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from runnerkit.model import Offering
    from runnerkit.names import Secret
    from runnerkit.ports import Cloud, Forge, Reports


class CloudBench(Protocol):
    """A world of machines with one region, where each type that the suite asks for can be had in several zones."""

    @property
    def cloud(self) -> Cloud:
        """The adapter under test."""

    @property
    def owner(self) -> str:
        """Whose machines the adapter starts and lists."""

    def now(self) -> datetime:
        """The world's time, aware UTC."""

    def advance(self, seconds: float) -> None:
        """Let time pass for the world and the adapter."""

    def settle(self) -> None:
        """Let pending machines run."""

    def live(self) -> Collection[str]:
        """The ids of all machines that truly live, whoever they belong to."""

    def remains(self) -> Collection[str]:
        """The names of everything else that launches left in the world, however young."""

    def user_data(self, instance_id: str) -> bytes:
        """What a machine boots from."""

    def tags(self, instance_id: str) -> Mapping[str, str]:
        """A machine's tags."""

    def documents(self) -> Mapping[str, str]:
        """What was handed over and not read yet, by machine."""

    def refuse(self, offering: Offering, code: str) -> None:
        """Answer every launch in a pool with this code of AWS."""

    def limit(self, offering: Offering, left: int) -> None:
        """Let a pool give so many machines, then refuse."""

    def accept(self) -> None:
        """Refuse nothing any more."""

    def lose_launch_answers(self) -> None:
        """Start what is ordered from now on, but drop every answer to the order."""

    def foreign(self, tags: Mapping[str, str]) -> str:
        """Start a machine with exactly these tags behind the adapter's back, and return its id."""

    def power_off(self, instance_id: str) -> None:
        """Let a machine's own operating system power off."""

    def interrupt(self, instance_id: str) -> None:
        """Let AWS take a spot machine back."""

    def write_console(self, instance_id: str, text: str) -> None:
        """Let a machine write to its serial console."""

    def leave_behind(self) -> None:
        """Leave one thing of the owner's in the world, as a crashed launch did long ago."""


class ForgeBench(Protocol):
    """A GitHub with two repositories of one owner, in which nothing has happened yet."""

    @property
    def forge(self) -> Forge:
        """The adapter under test."""

    @property
    def repo(self) -> str:
        """The private repository."""

    @property
    def public_repo(self) -> str:
        """The public repository."""

    def queue(self, repo: str, *jobs: Sequence[str], event: str = "push", fork: bool = False) -> Sequence[int]:
        """Start one run with a job for each set of labels, from a fork if so said, and return the jobs' ids."""

    def connect(self, secret: Secret) -> bool:
        """Let a machine listen with a JIT configuration; False when GitHub takes it no more."""

    def assign(self) -> None:
        """Let GitHub hand queued jobs to the runners that wait for them."""

    def finish(self, job_id: int, conclusion: str = "success") -> None:
        """A job is over."""

    def lose(self, runner_id: int) -> None:
        """Cut a runner's connection without a farewell."""

    def give_up(self, job_id: int) -> None:
        """Let GitHub's patience with the lost runner of a job run out."""

    def vanish(self, runner_id: int) -> None:
        """Let GitHub forget an idle runner."""

    def annotate(self, job_id: int, *messages: str) -> None:
        """Let a job's steps say something by workflow commands."""

    def gated(self, repo: str, labels: Sequence[str], environment: str) -> int:
        """Queue a job in a run of its own that an environment's reviewer has let through, and return its id."""

    def write_file(self, repo: str, path: str, text: str) -> None:
        """Put a file on the default branch."""

    def archive(self, repo: str) -> None:
        """Archive a repository."""

    def lose_registration_answers(self) -> None:
        """Register what is asked for from now on, but drop every answer."""


class ReportsBench(Protocol):
    """A GitHub with two repositories, as far as reports go."""

    @property
    def reports(self) -> Reports:
        """The adapter under test, signed in as somebody who may do all of it."""

    @property
    def repo(self) -> str:
        """The repository."""

    @property
    def other_repo(self) -> str:
        """Another one."""

    def issue(self, repo: str) -> int:
        """Open an issue and return its number."""

    def commit(self) -> str:
        """Add a commit to :attr:`repo` and return its SHA."""

    def statuses(self, sha: str) -> Sequence[tuple[str, str, str]]:
        """State, context and description of each status of a commit, oldest first."""

    def checks(self, sha: str) -> Mapping[int, tuple[str, str, str]]:
        """Name, conclusion and title of each check run of a commit, by id."""
