"""Batch in one world: what there is in each region, and the calls."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runnerkit.sandbox.batch import calls, resources, wire
from runnerkit.sandbox.batch.jobs import Jobs
from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from runnerkit.sandbox.batch.records import Compute, Definition, Job, Queue
    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.model import Answer, Params, Tags

    Handler = Callable[["BatchWorld", "Region", Params], Params]

LOG_GROUP = "/aws/batch/job"
LEAVING = 5.0
# Of a secret; further ones choose a value in it.
# https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data-secrets.html
ARN_PARTS = 7
HANDLERS: dict[str, Handler] = {
    "CreateComputeEnvironment": resources.create_compute,
    "DescribeComputeEnvironments": resources.describe_computes,
    "UpdateComputeEnvironment": resources.update_compute,
    "DeleteComputeEnvironment": resources.delete_compute,
    "CreateJobQueue": resources.create_queue,
    "DescribeJobQueues": resources.describe_queues,
    "UpdateJobQueue": resources.update_queue,
    "DeleteJobQueue": resources.delete_queue,
    "RegisterJobDefinition": resources.register,
    "DescribeJobDefinitions": resources.describe_definitions,
    "DeregisterJobDefinition": resources.deregister,
    "SubmitJob": calls.submit,
    "DescribeJobs": calls.describe,
    "ListJobs": calls.listed,
    "CancelJob": calls.cancel,
    "TerminateJob": calls.terminate,
}


@dataclass(slots=True)
class Region:
    """What there is in a region."""

    name: str
    computes: dict[str, Compute] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)


class BatchWorld:
    """Batch beside EC2. Hold the core's lock while using it, as its scripts do."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.jobs = Jobs(self)
        self.surroundings: Callable[[], Tags] = dict
        self._regions: dict[str, Region] = {}
        self.restore()

    def restore(self) -> None:
        """Put everything that scripts change back to its default."""
        self.compute_delay = self.queue_delay = self.step_delay = 0.05
        self.grace, self.log_delay = 2.0, 0.0
        self.invalid, self.held = "", None
        self.images: dict[str, Path] = {}
        self.unpullable: list[str] = []
        self.engine_command: tuple[str, ...] = ()
        self.engine_environ: Mapping[str, str] = {}

    invalid: str
    held: str | None

    @property
    def account(self) -> str:
        """The AWS account."""
        return self.core.account

    def now(self) -> float:
        """The world's time."""
        return self.core.clock.now()

    def after(self, seconds: float, step: Callable[[], object]) -> None:
        """Let something happen later."""

        def due(_at: float) -> None:
            step()

        self.core.timeline.at(self.now() + seconds, due)

    def region(self, name: str) -> Region:
        """Batch in a region."""
        self.core.region(name)
        return self._regions.setdefault(name, Region(name))

    def regions(self) -> list[Region]:
        """Every region in which there is something."""
        return list(self._regions.values())

    def region_of(self, job: Job) -> Region:
        """The region of a job."""
        return self._regions[job.arn.split(":")[3]]

    def all_jobs(self) -> list[Job]:
        """The jobs of every region, in the order of their submission."""
        return [job for region in self.regions() for job in region.jobs.values()]

    def answer(self, action: str, region: str, params: Params) -> Answer:
        """Carry one call out.

        Raises:
            AwsError: It is refused.
        """
        handler = HANDLERS.get(action)
        if handler is None:
            raise AwsError("InvalidAction", f"The sandbox's Batch has no {action}.")
        return wire.rendered(handler(self, self.region(region), params))

    def clear(self) -> None:
        """End every container and forget everything."""
        running = [job.running for job in self.all_jobs() if job.running is not None]
        for container in running:
            container.lose()
        for container in running:
            container.join(LEAVING)
        self._regions.clear()
        self.restore()

    # --- what lies beside it ----------------------------------------------------------------------------------------

    def write(self, region: str, stream: str, text: str) -> None:
        """Put a line of a container into its log stream; CloudWatch takes no empty ones."""
        if not text:
            return
        event = {"timestamp": int(time.time() * 1000), "message": text}
        with self.core.lock:
            if self.log_delay:
                self.after(self.log_delay, lambda: self._put(region, stream, event))
            else:
                self._put(region, stream, event)

    def _put(self, region: str, stream: str, event: Params) -> None:
        from moto.logs.models import logs_backends

        logs = logs_backends[self.account][region]
        if LOG_GROUP not in logs.groups:
            logs.create_log_group(LOG_GROUP, {})
        if stream not in logs.groups[LOG_GROUP].streams:
            logs.create_log_stream(LOG_GROUP, stream)
        logs.put_log_events(LOG_GROUP, stream, [event])

    def secret(self, region: str, source: str) -> str | None:
        """A parameter of Parameter Store or a secret of Secrets Manager; None when there is none."""
        from moto.ssm.models import ssm_backends

        if ":secretsmanager:" in source:
            return self._kept(region, source)
        name = source.partition(":parameter")[2] or source
        store = ssm_backends[self.account][region]
        found = store.get_parameter(name) or store.get_parameter(name.lstrip("/"))
        if found is None:
            return None
        return str(found.decrypt(found.value) if found.parameter_type == "SecureString" else found.value)

    def _kept(self, region: str, source: str) -> str | None:
        """A secret by its ARN, or one value of a secret of JSON: the ARN, a colon, and the key."""
        from moto.secretsmanager.models import secretsmanager_backends

        arn, key = ":".join(source.split(":")[:ARN_PARTS]), "".join(source.split(":")[ARN_PARTS : ARN_PARTS + 1])
        known = secretsmanager_backends[self.account][region].secrets
        kept = known.get(arn) if arn in known else None
        if kept is None:
            return None
        text = str(kept.versions[kept.default_version_id or ""]["secret_string"])
        return str(json.loads(text)[key]) if key else text
