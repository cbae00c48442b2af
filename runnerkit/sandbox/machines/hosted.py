"""GitHub's own machines: a stand-in runner for each queued job that asks for one."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.sandbox.github import Refused
from runnerkit.sandbox.machines.init import folders
from runnerkit.sandbox.machines.process import stand_in
from runnerkit.sandbox.machines.supervised import Supervised, end
from runnerkit.sandbox.machines.watching import need_linux, scratch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.github import GitHubWorld
    from runnerkit.sandbox.github.records import Job
    from runnerkit.sandbox.machines.roots import Install

logger = logging.getLogger(__name__)
LOOK_EVERY = 0.1
AT_ONCE = 4
TRIES = 3
TAIL = 4_096


@dataclass
class _Runner:
    """A stand-in at work; ``said`` is the end of its output."""

    folder: Path
    supervised: Supervised | None = None
    said: bytearray = field(default_factory=bytearray)

    def hear(self, text: bytes) -> None:
        """Keep the end of what it says."""
        self.said += text
        del self.said[:-TAIL]


class HostedRunners:
    """Watches a GitHub for hosted jobs and runs them on this computer, a few at once. A context manager; Linux only.

    Args:
        github: Whose jobs.
        environ: What jobs find in their environment.
        folder: Where runners' folders are made; by default where temporary files belong.
        runner: Puts a runner into a folder; by default the stand-in.
    """

    def __init__(
        self,
        github: GitHubWorld,
        *,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        runner: Install | None = None,
    ) -> None:
        self._github = github
        self._environ = dict(environ or {})
        self._within = folder
        self._install = runner or stand_in
        self._running: dict[int, _Runner] = {}
        self._tries: Counter[int] = Counter()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hosted-runners", daemon=True)

    def __enter__(self) -> Self:
        need_linux("hosted runners", "queue jobs for machines of your own, or end hosted jobs by hand")
        self._folder = scratch("rk-hosted-", self._within)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(timeout=30)
        folders.remove(self._folder)

    def _watch(self) -> None:
        try:
            while not self._ending.wait(LOOK_EVERY):
                for job_id, runner in list(self._running.items()):
                    self._look_after(job_id, runner)
                for job in self._queued()[: max(0, AT_ONCE - len(self._running))]:
                    self._start(job)
        finally:
            end(runner.supervised for runner in self._running.values() if runner.supervised)

    def _queued(self) -> list[Job]:
        """The jobs that wait for one of GitHub's own machines, in the order in which they came."""
        with self._github.state.open(reading=True):
            jobs = list(self._github.state.live.jobs.values())
        return [
            job
            for job in jobs
            if job.hosted and job.status == "queued" and job.id not in self._running and self._tries[job.id] < TRIES
        ]

    def _start(self, job: Job) -> None:
        self._tries[job.id] += 1
        runner = _Runner(self._folder / f"{job.id}-{self._tries[job.id]}")
        try:
            blob = self._github.hosted_runner(job.id)
            runner.folder.mkdir(parents=True)
            self._install(runner.folder, self._environ)
            spec = self._spec(runner.folder, blob)
            runner.supervised = Supervised("keeper", f"hosted-{job.id}", spec, blob, runner.hear)
        except Refused:
            # Cancelled meanwhile.
            return
        except OSError as error:
            logger.warning("the hosted job %s (%s) gets no machine: %s", job.id, job.name, error)
            folders.remove(runner.folder)
            return
        self._running[job.id] = runner

    def _spec(self, folder: Path, blob: str) -> dict[str, object]:
        home = folder / "_home"
        home.mkdir()
        temporary = folders.make(folder / "_tmp")
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "RUNNER_ALLOW_RUNASROOT": "1",
            "ACTIONS_RUNNER_INPUT_JITCONFIG": blob,
        }
        return {"argv": [str(folder / "bin/Runner.Listener"), "run"], "environ": environ, "cwd": str(folder)}

    def _look_after(self, job_id: int, runner: _Runner) -> None:
        assert runner.supervised is not None  # noqa: S101 - it was started
        runner.supervised.read()
        code = runner.supervised.ended()
        if code is None:
            return
        runner.supervised.close()
        del self._running[job_id]
        folders.remove(runner.folder)
        with suppress(KeyError):
            if self._github.state.live.jobs[job_id].status == "queued":
                said = runner.said.decode(errors="replace").strip()
                logger.warning("the hosted job %s was not taken, its runner left with %s: %s", job_id, code, said)
