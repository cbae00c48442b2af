"""What a test can do to the sandbox's Batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.sandbox.batch.records import ON_MACHINE, OVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runnerkit.sandbox.batch.world import BatchWorld


class BatchScripts:
    """What a test can do to Batch: ``ec2.batch``. Times are seconds; ``ec2.reset()`` takes everything back."""

    def __init__(self, world: BatchWorld) -> None:
        self._world = world

    def times(
        self,
        *,
        compute: float | None = None,
        queue: float | None = None,
        step: float | None = None,
        grace: float | None = None,
        log: float | None = None,
    ) -> None:
        """Set how long things take.

        Args:
            compute: A compute environment, until it is VALID, changed or gone.
            queue: The same of a queue.
            step: Each state of a job before RUNNING.
            grace: From SIGTERM to SIGKILL for a job that is terminated.
            log: A line of a log, until it can be read.
        """
        world = self._world
        with world.core.lock:
            world.compute_delay = world.compute_delay if compute is None else compute
            world.queue_delay = world.queue_delay if queue is None else queue
            world.step_delay = world.step_delay if step is None else step
            world.grace = world.grace if grace is None else grace
            world.log_delay = world.log_delay if log is None else log

    def invalid(self, reason: str, name: str = "*") -> None:
        """Let compute environments be INVALID for a reason (empty: well again): one by its name, or new ones."""
        with self._world.core.lock:
            if name == "*":
                self._world.invalid = reason
                return
            for region in self._world.regions():
                if name in region.computes:
                    region.computes[name].reason = reason
                    region.computes[name].status = "INVALID" if reason else "VALID"

    def hold(self, reason: str = "") -> None:
        """Give no job a machine, and tell this as the status reason of those that wait."""
        with self._world.core.lock:
            self._world.held = reason

    def release(self) -> None:
        """Take :meth:`hold` back."""
        with self._world.core.lock:
            self._world.held = None

    def lose_host(self, job_id: str = "") -> int:
        """Take the machines of a job, or of all that have one, away, as spot does; how many."""
        with self._world.core.lock:
            hit = [job for job in self._world.all_jobs() if job.status in ON_MACHINE and job_id in {"", job.id}]
            for job in hit:
                self._world.jobs.lose_host(job)
            return len(hit)

    def image(self, pattern: str, folder: str | Path) -> None:
        """Let images whose names fit the pattern hold, in their working directory, what is in a folder."""
        with self._world.core.lock:
            self._world.images[pattern] = Path(folder)

    def unpullable(self, pattern: str) -> None:
        """Let images whose names fit the pattern not be there."""
        with self._world.core.lock:
            self._world.unpullable.append(pattern)

    def engine(self, *command: str, environ: Mapping[str, str] | None = None) -> None:
        """Run jobs in real containers, by ``podman`` or what takes the same arguments; without any: as processes."""
        with self._world.core.lock:
            self._world.engine_command = command
            self._world.engine_environ = dict(environ or {})

    def jobs(self) -> list[dict[str, object]]:
        """Every job: id, name, status, reason, attempts, variables."""
        with self._world.core.lock:
            return [
                {
                    "id": job.id, "name": job.name, "status": job.status, "reason": job.reason,
                    "attempts": len(job.attempts), "exit_code": job.exit_code, "type": job.instance_type,
                }
                for job in self._world.all_jobs()
            ]  # fmt: skip

    def left(self) -> dict[str, int]:
        """How much there is of everything that a run makes; jobs that are over do not count."""
        with self._world.core.lock:
            regions = self._world.regions()
            return {
                "computes": sum(len(region.computes) for region in regions),
                "queues": sum(len(region.queues) for region in regions),
                "definitions": sum(
                    each.status == "ACTIVE"
                    for region in regions
                    for known in region.definitions.values()
                    for each in known
                ),
                "jobs": sum(job.status not in OVER for job in self._world.all_jobs()),
            }
