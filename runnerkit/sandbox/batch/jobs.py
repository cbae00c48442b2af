"""The life of jobs: submitted, placed, run, tried again, ended."""

from __future__ import annotations

import secrets
import uuid
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

from runnerkit.sandbox.batch import starting
from runnerkit.sandbox.batch.containers import Container
from runnerkit.sandbox.batch.placing import find_place
from runnerkit.sandbox.batch.records import ON_MACHINE, OVER, Job

if TYPE_CHECKING:
    from runnerkit.sandbox.batch.world import BatchWorld
    from runnerkit.sandbox.ec2.model import Params

# Seconds between two tries to place a job that finds no machine.
PLACE_EVERY = 0.05
TIMED_OUT = "Job attempt duration exceeded timeout"
EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"


class Jobs:
    """What happens to the jobs of a world; its lock is held by whoever calls."""

    def __init__(self, world: BatchWorld) -> None:
        self._world = world

    def begin(self, job: Job) -> None:
        """From SUBMITTED to RUNNABLE."""
        world = self._world

        def runnable() -> None:
            if job.status == "PENDING":
                self._runnable(job)

        def pending() -> None:
            if job.status == "SUBMITTED":
                job.status = "PENDING"
                world.after(world.step_delay, runnable)

        world.after(world.step_delay, pending)

    def end(self, job: Job, reason: str) -> None:
        """TerminateJob: ended wherever it is."""
        if job.status in OVER:
            return
        job.terminated, job.ending = True, reason
        if job.running is not None:
            job.running.stop(self._world.grace)
        elif job.status not in ON_MACHINE:
            self._over(job, "FAILED", reason)

    def cancel(self, job: Job, reason: str) -> None:
        """CancelJob: a job that has a machine stays as it is, and that is no error."""
        if job.status not in (*OVER, *ON_MACHINE):
            job.cancelled = True
            self._over(job, "FAILED", reason)

    def lose_host(self, job: Job) -> None:
        """The machine of a job is gone, as when AWS takes a spot machine back."""
        if job.running is not None:
            job.running.lose()
            job.running = None
        self._attempt_over(job, None, "", f"Host EC2 (instance {job.instance}) terminated.")

    # --- on the way -------------------------------------------------------------------------------------------------

    def _runnable(self, job: Job) -> None:
        job.status, job.reason = "RUNNABLE", ""
        self._world.after(self._world.step_delay, partial(self._place, job))

    def _place(self, job: Job) -> None:
        if job.status != "RUNNABLE":
            return
        place = find_place(self._world, self._world.region_of(job), job)
        if isinstance(place, str):
            job.reason = place
            self._world.after(PLACE_EVERY, partial(self._place, job))
            return
        job.compute, job.instance_type, job.stock = place
        job.instance = f"i-{secrets.token_hex(8)}"
        job.status, job.reason = "STARTING", ""
        self._world.after(self._world.step_delay, partial(self._start, job, len(job.attempts)))

    def _start(self, job: Job, attempt: int) -> None:
        if job.status != "STARTING" or attempt != len(job.attempts):
            return
        if job.ending:
            self._attempt_over(job, None, "", job.ending)
            return
        world = self._world
        job.exit_code, job.container_reason = None, ""
        try:
            order = starting.order(world, job)
            job.stream = f"{job.definition.name}/default/{uuid.uuid4().hex}"
            line = partial(world.write, world.region_of(job).name, job.stream)
            job.running = Container(order, line, partial(self._exited, job, attempt))
        except (OSError, starting.CannotStart) as error:
            job.stream = ""
            self._attempt_over(job, None, starting.wording(error), NOT_STARTED)
            return
        job.status, job.started = "RUNNING", world.now()
        if job.timeout:
            world.after(job.timeout, partial(self._too_long, job, attempt))

    def _too_long(self, job: Job, attempt: int) -> None:
        if job.running is not None and attempt == len(job.attempts) and not job.ending:
            job.ending = TIMED_OUT
            job.running.stop(self._world.grace)

    def _exited(self, job: Job, attempt: int, code: int) -> None:
        with self._world.core.lock:
            if job.status == "RUNNING" and attempt == len(job.attempts):
                job.running = None
                self._attempt_over(job, code, "", job.ending or EXITED)

    # --- the end of an attempt --------------------------------------------------------------------------------------

    def _attempt_over(self, job: Job, code: int | None, reason: str, status_reason: str) -> None:
        if job.stock is not None:
            job.stock.give_back()
        job.compute, job.stock = None, None
        job.exit_code, job.container_reason = code, reason
        job.attempts.append(self._told(job, status_reason))
        if code == 0 and not job.ending:
            self._over(job, "SUCCEEDED", status_reason)
        elif not job.ending and self._again(job, status_reason):
            self._runnable(job)
        else:
            self._over(job, "FAILED", status_reason)

    def _told(self, job: Job, status_reason: str) -> Params:
        started = job.started or self._world.now()
        container = {
            "containerInstanceArn": job.arn.replace(":batch:", ":ecs:").replace("job/", "container-instance/"),
            "taskArn": job.arn.replace(":batch:", ":ecs:").replace("job/", "task/"),
            "networkInterfaces": [],
            **({"logStreamName": job.stream} if job.stream else {}),
            **({} if job.exit_code is None else {"exitCode": job.exit_code}),
            **({"reason": job.container_reason} if job.container_reason else {}),
        }
        times = {"startedAt": int(started * 1000), "stoppedAt": int(self._world.now() * 1000)}
        return {"container": container, **times, "statusReason": status_reason}

    def _again(self, job: Job, status_reason: str) -> bool:
        """Whether the attempt is repeated: the first rule that fits decides, and without one that fits it is."""
        if len(job.attempts) >= job.most_attempts:
            return False
        code = "" if job.exit_code is None else str(job.exit_code)
        found = {"onExitCode": code, "onReason": job.container_reason, "onStatusReason": status_reason}
        for rule in job.retry.get("evaluateOnExit", ()):
            if all(fnmatchcase(found[key].lower(), rule[key].lower()) for key in found if key in rule):
                return str(rule["action"]).upper() == "RETRY"
        return True

    def _over(self, job: Job, status: str, reason: str) -> None:
        job.status, job.reason, job.stopped = status, reason, self._world.now()
