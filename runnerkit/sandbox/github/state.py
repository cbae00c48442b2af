"""The world itself: its tables, its lock, its memory of the recent past."""

import copy
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runnerkit.sandbox.github.clock import Clock
from runnerkit.sandbox.github.git.store import Store
from runnerkit.sandbox.github.records import (
    Account,
    App,
    Artifact,
    Check,
    Comment,
    Conversion,
    Delivery,
    Environment,
    Group,
    Happening,
    Hook,
    Installation,
    Issue,
    Job,
    Repository,
    Run,
    Runner,
    Status,
)
from runnerkit.sandbox.github.refusals import missing

DEFAULT_GROUP = 1
# As wide as the real ones, so that nobody keeps them in 32 bits.
FIRST_RUN_ID = 21_000_000_000
FIRST_JOB_ID = 63_000_000_000


@dataclass(slots=True)
class Lists:
    """The tables whose listings may lag behind the world."""

    runners: dict[int, Runner] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)


@dataclass(slots=True)
class Options:
    """How unpleasant the world is by the clock; seconds, None switches a rule off.

    ``runner_version`` is the newest of GitHub's runner, ``runner_age`` how many days it has been out; ``runner_host``
    and ``runner_sha256`` say where it can be had and what it is, in sandboxes that serve one.
    """

    idle_vanish: float | None = None
    lease: float = 600
    queue: float = 24 * 3600
    longest_job: float = 5 * 24 * 3600
    cancel_grace: float = 300
    approval: float = 30 * 24 * 3600
    offline_ephemeral: float = 24 * 3600
    auto_assign: bool = True
    runner_version: str = "2.336.0"
    runner_age: float = 12.0
    runner_host: str = ""
    runner_sha256: str = ""


class State:
    """Everything GitHub knows. Whoever reads or changes it does so inside `open`."""

    def __init__(self, clock: Clock, settle: "Callable[[State], None]") -> None:
        self.clock = clock
        self.options = Options()
        self.live = Lists()
        self.accounts: dict[str, Account] = {}
        self.repositories: dict[str, Repository] = {}
        self.groups: dict[str, dict[int, Group]] = {}
        self.commits: dict[tuple[str, str], str] = {}
        self.issues: dict[tuple[str, int], Issue] = {}
        self.comments: dict[int, Comment] = {}
        self.statuses: list[Status] = []
        self.checks: dict[int, Check] = {}
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.conversions: dict[str, Conversion] = {}
        self.artifacts: dict[int, Artifact] = {}
        self.environments: dict[tuple[str, str], Environment] = {}
        self.hooks: dict[int, Hook] = {}
        self.deliveries: dict[int, Delivery] = {}
        # GitHub's own machines: no list shows them. Their ids are drawn from the same sequence as the others'.
        self.hosted: dict[int, Runner] = {}
        # Runs of workflow files that are not over, and the files' ids.
        self.active_runs: set[int] = set()
        self.workflow_ids: dict[tuple[str, str], int] = {}
        # Set by those who keep commits: the workflow files by path at a commit, and the commit a ref points to.
        self.workflow_files: Callable[[str, str], Mapping[str, str]] = lambda repository, sha: {}  # noqa: ARG005 - nothing is kept
        self.ref_sha: Callable[[str, str], str | None] = lambda repository, ref: None  # noqa: ARG005 - as above
        self.moved = threading.Condition(threading.RLock())
        self.watchers: list[Callable[[], None]] = []
        self.observers: list[Callable[[], None]] = []
        self.triggers: list[Callable[[Happening], object]] = []
        self.announcers: list[Callable[[Happening], None]] = []
        self.git = Store()
        # Repositories of this project, made because a workflow named them.
        self.provided: set[str] = set()
        self.web = ""
        self._settle = settle
        self._looked_at = 0.0
        self._lag = timedelta()
        self._past: list[tuple[datetime, Lists]] = []
        self._counters: dict[str, Iterator[int]] = {
            "run": itertools.count(FIRST_RUN_ID),
            "job": itertools.count(FIRST_JOB_ID),
        }

    @contextmanager
    def open(self, *, reading: bool = False, patience: float = 0.0) -> Iterator[None]:
        """Hold the world still; what time brought about happens first, waiters learn of changes afterwards.

        Many who wait share one look: what the world was ``patience`` real seconds ago is new enough for them.
        """
        with self.moved:
            if time.monotonic() - self._looked_at >= patience:
                self._catch_up()
            try:
                yield
            finally:
                # A reader leaves nothing behind that could set something off.
                if not reading:
                    self._catch_up()
                    self.moved.notify_all()

    def _catch_up(self) -> None:
        for watcher in self.watchers:
            watcher()
        self._settle(self)
        # Watchers bring changes about; observers only look at what has changed, so they come last.
        for observer in self.observers:
            observer()
        self._remember()
        self._looked_at = time.monotonic()

    def tell(self, happening: Happening) -> None:
        """Announce what happened to the webhooks and, unless a workflow did it, let it trigger workflows."""
        for announcer in self.announcers:
            announcer(happening)
        self.trigger(happening)

    def trigger(self, happening: Happening) -> None:
        """Let what happened trigger workflows, unless a workflow did it."""
        if not happening.by_workflow:
            for trigger in self.triggers:
                trigger(happening)

    def next_id(self, kind: str) -> int:
        """Number the next record of ``kind``."""
        return next(self._counters.setdefault(kind, itertools.count(1)))

    def now(self) -> datetime:
        """Tell the world's time."""
        return self.clock.now()

    def lag(self, seconds: float) -> None:
        """Let lists show the world as it was ``seconds`` ago, beginning with the present one."""
        self._lag = timedelta(seconds=seconds)
        self._past = []
        self._remember()

    def listed(self) -> Lists:
        """Give the tables that listings are made of: the live ones, or older ones while lists lag."""
        if not self._past:
            return self.live
        while len(self._past) > 1 and self._past[1][0] <= self.now() - self._lag:
            self._past.pop(0)
        return self._past[0][1]

    def _remember(self) -> None:
        if not self._lag:
            return
        if not self._past or self._past[-1][1] != self.live:
            self._past.append((self.now(), copy.deepcopy(self.live)))

    def account(self, login: str) -> Account:
        """Find a user or an organisation, whatever the case of its letters."""
        found = self.accounts.get(login.lower())
        if found is None:
            raise missing()
        return found

    def organization(self, login: str) -> Account:
        """Find an organisation."""
        found = self.account(login)
        if found.kind != "Organization":
            raise missing()
        return found

    def repository(self, full_name: str) -> Repository:
        """Find a repository, whatever the case of its letters."""
        found = self.repositories.get(full_name.lower())
        if found is None:
            raise missing()
        return found

    def group(self, org: str, group_id: int) -> Group:
        """Find a runner group of an organisation."""
        found = self.groups.get(org.lower(), {}).get(group_id)
        if found is None:
            raise missing()
        return found

    def run(self, repository: str, run_id: int) -> Run:
        """Find a run of a repository."""
        found = self.live.runs.get(run_id)
        if found is None or found.repository != repository:
            raise missing()
        return found

    def job(self, repository: str, job_id: int) -> Job:
        """Find a job of a repository."""
        found = self.live.jobs.get(job_id)
        if found is None or found.repository != repository:
            raise missing()
        return found

    def issue(self, repository: str, number: int) -> Issue:
        """Find an issue or a pull request."""
        found = self.issues.get((repository, number))
        if found is None:
            raise missing()
        return found

    def runner(self, level: str, runner_id: int) -> Runner:
        """Find a runner registered at ``level``."""
        found = self.live.runners.get(runner_id)
        if found is None or found.level != level:
            raise missing()
        return found
