"""Where whole stories are played: real commands, machines that boot, jobs that run their steps, one way to end."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from runnerkit.sandbox.controller import Controller
from runnerkit.sandbox.machines.init import kernel
from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runnerkit.sandbox.ec2 import InstanceView, SandboxEc2
    from runnerkit.sandbox.github.records import Issue, Job, Run

PATIENCE = 150.0
# Leases of seconds, so that stories see them end; what none is to see end is longer.
SHORT = {
    "RUNNERKIT_POLICY__SETTLE": "4",
    "RUNNERKIT_POLICY__CONFIRM": "8",
    "RUNNERKIT_POLICY__ONLINE_WITHIN": "60",
    "RUNNERKIT_POLICY__IDLE": "20",
    "RUNNERKIT_POLICY__LOST_WITHIN": "5",
}


def _steps(job: Job) -> str:
    return ", ".join(f"{step['name']}: {step['conclusion'] or step['status']}" for step in job.steps)


def _processes() -> Iterator[str]:
    """What runs below this process, machines and hosted ones included, and what each waits for."""
    for pid, seen in sorted(kernel.below(os.getpid()).items()):
        with suppress(OSError):
            place = Path(f"/proc/{pid}")
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            yield f"{pid} below {seen.parent} {seen.state} {(place / 'wchan').read_text()} {command[:150]}"


@dataclass
class Theatre:
    """A sandbox with machines that run their jobs, and what stories do in it and ask of it."""

    world: Sandbox
    folder: Path
    open: ExitStack
    expected_refusals: bool = False
    events: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def repo(self) -> str:
        """The repository in which it is played."""
        return self.world.repository

    # --- what people do -----------------------------------------------------------------------------------------------

    def workflow(self, text: str, name: str = "train", **more: str) -> Issue:
        """Put a workflow on the main branch, then open a pull request that changes something."""
        github = self.world.github
        files = {f".github/workflows/{name}.yml": text.replace("COUNTER", str(self.folder)), "README.md": "# x\n"}
        github.push(self.repo, {**files, **more}, message="Add the workflow")
        github.push(self.repo, {"change.txt": f"{time.time()}\n"}, branch="change", message="Change something")
        return github.open_pull_request(self.repo, head="change", title="Change something")

    def controller(self, **settings: str) -> Controller:
        """Start ``runnerkit run`` until the story ends."""
        return self.open.enter_context(Controller(self.world, self.events.append, {**SHORT, **settings}))

    # --- what there is ------------------------------------------------------------------------------------------------

    @property
    def runs(self) -> list[Run]:
        """Every run, oldest first."""
        state = self.world.github.state
        with state.open(reading=True):
            return sorted(state.live.runs.values(), key=lambda run: run.id)

    @property
    def run(self) -> Run:
        """The one run."""
        (run,) = self.runs
        return run

    def jobs(self, run: Run | None = None) -> list[Job]:
        """The jobs of a run's latest attempt."""
        return self.world.github.jobs(run or self.run)

    def job(self, name: str = "train") -> Job:
        """One job of the one run."""
        return next(job for job in self.jobs() if job.name == name)

    def machines(self, *states: str) -> list[InstanceView]:
        """The machines, those that ended included."""
        return self.world.ec2.instances(*states)

    def times(self, name: str) -> int:
        """How often a step really ran: it leaves a line in a file outside of every machine."""
        file = self.folder / name
        return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0

    # --- waiting ------------------------------------------------------------------------------------------------------

    def until(self, what: str, true: Callable[[], object], patience: float = PATIENCE, *, every: float = 0.05) -> None:
        """Wait until something is so, and look every so many seconds; the failure tells the world as it is."""
        end = time.monotonic() + patience
        while not true():
            if time.monotonic() > end:
                pytest.fail(f"after {patience:.0f} s still not: {what}\n{self.describe()}")
            time.sleep(every)

    def until_over(self, patience: float = PATIENCE) -> None:
        """Wait until no run has a job left to do."""

        def over() -> bool:
            return bool(self.runs) and all(job.status == "completed" for run in self.runs for job in self.jobs(run))

        self.until("every job is over", over, patience)

    def until_nothing_left(self, patience: float = PATIENCE) -> None:
        """Wait until EC2 and GitHub, when asked, have nothing of ours any more."""
        self.until("nothing is left", self._nothing_left, patience, every=0.25)

    def _nothing_left(self) -> bool:
        # To ask is dear while the sandbox itself knows better.
        if len(self.machines("terminated")) < len(self.machines()) or self.world.github.runners():
            return False
        try:
            return not any(self.world.left().values())
        except ClientError:
            return False  # a bad day at AWS: a refused look has seen nothing

    def describe(self) -> str:
        """The world in words, for failures: what is not over comes first, for much may be cut off."""
        jobs = sorted((job for run in self.runs for job in self.jobs(run)), key=lambda job: job.status == "completed")
        lines = [f"{job.name} #{job.attempt}: {job.status} {job.conclusion} on {job.runner_name}" for job in jobs]
        logs = [f"--- {job.name} {_steps(job)}\n{job.log[-1500:]}\n{job.annotations}" for job in jobs]
        told = [str(dict(event)) for event in self.events[-15:]]
        late = sum(job.status != "completed" for job in jobs)
        parts = [str(self.world.left()), *lines, *logs[:late], *_processes(), *told, *logs[late:]]
        return "\n".join([*parts, *map(self._machine, self.machines())])

    def _machine(self, view: InstanceView) -> str:
        console = self.world.aws("ec2").get_console_output(InstanceId=view.id).get("Output", "")
        return f"--- {view.id} {view.state} {view.reason}\n{console[-1500:]}"

    # --- the end of every story ---------------------------------------------------------------------------------------

    def ends(self, conclusion: str, *, machines: int, pull: Issue | None = None) -> None:
        """Nothing left, nothing double, the right conclusion on the pull request."""
        self.until_over()
        self.until_nothing_left()
        launched = self.machines()
        assert len(launched) == machines, self.describe()
        ran = [job.runner_name for run in self.runs for job in self.all_jobs(run) if job.started_at and not job.hosted]
        assert len(ran) == len(set(ran)), "a machine served two jobs"
        if pull is not None:
            assert self.concluded(pull) == conclusion, self.describe()
        assert self.world.github.violations == []
        if not self.expected_refusals:
            assert self.world.github.refused_requests == []

    def all_jobs(self, run: Run) -> list[Job]:
        """The jobs of all attempts of a run."""
        state = self.world.github.state
        with state.open(reading=True):
            return [job for job in state.live.jobs.values() if job.run_id == run.id]

    def concluded(self, pull: Issue) -> str:
        """How the runs of a pull request's head ended, as GitHub's API tells everybody."""
        assert pull.pull is not None
        found = self.world.asked(f"/repos/{self.repo}/actions/runs?head_sha={pull.pull.head_sha}&event=pull_request")
        said = {run["conclusion"] for run in found["workflow_runs"]}
        return ", ".join(sorted(map(str, said)))


@contextmanager
def opened(ec2: SandboxEc2, folder: Path, repo: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    """An empty sandbox with process machines, and no setting of this computer."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GITHUB_", "GH_", "RUNNERKIT_")):
            monkeypatch.delenv(name)
    # The job may run as another user, which cannot look into pytest's own folders.
    counters = folder / "counters"
    counters.mkdir()
    for each in (counters, *folder.parents[:2], folder):
        each.chmod(0o777 if each == counters else 0o755)
    ec2.reset()
    with ExitStack() as stack:
        world = stack.enter_context(Sandbox(repo, boot=0.3, ec2=ec2))
        yield Theatre(world, counters, stack.enter_context(ExitStack()))
    ec2.reset()
