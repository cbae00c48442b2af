"""The port :class:`runnerkit.batch.ports.Service` on boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from runnerkit.batch import views
from runnerkit.batch.ports import Surroundings
from runnerkit.batch.requests import LOG_GROUP
from runnerkit.batch.roles import Profiles
from runnerkit.batch.states import JobState, LogPage
from runnerkit.batch.trouble import says, told
from runnerkit.ec2.answers import code_of
from runnerkit.ec2.cache import Cache
from runnerkit.ec2.clients import Clients
from runnerkit.ec2.network import Network
from runnerkit.errors import NotOffered
from runnerkit.tags import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runnerkit.batch.ports import Request
    from runnerkit.batch.states import Compute, Definition, Job, Queue
    from runnerkit.ports import Clock
    from runnerkit.settings import AwsSettings

_ON_MACHINES = (JobState.STARTING, JobState.RUNNING)
_WAITING = (JobState.SUBMITTED, JobState.PENDING, JobState.RUNNABLE)
# Of jobs that are listed one after another; nobody looks at more.
MOST_PAGES = 50


class AwsBatch:
    """AWS Batch in one region. Making one calls nobody.

    Args:
        settings: Section ``[aws]``.
        clock: For the ages of what is remembered.
        region: Which; empty: the first one of the settings, or AWS's own configuration's.
    """

    def __init__(self, settings: AwsSettings, clock: Clock, region: str = "") -> None:
        self._settings = settings
        self._clients = Clients(settings)
        self._network = Network(settings, self._clients, Cache(None, clock))
        self._region = region

    @property
    def region(self) -> str:
        """The region."""
        self._region = self._region or self._clients.regions[0]
        return self._region

    def tags(self) -> Mapping[str, str]:
        """The configured tags and our owner's."""
        return {**self._settings.tags, OWNER: self._settings.owner}

    @property
    def _batch(self) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        return self._clients.of("batch", self.region)

    @property
    def _profiles(self) -> Profiles:
        return Profiles(self._clients.of("iam", self.region), self.region, self._settings.owner, self.tags())

    # --- compute environments ---------------------------------------------------------------------------------------

    def computes(self, *names: str) -> Sequence[Compute]:
        """DescribeComputeEnvironments."""
        wanted: dict[str, Any] = {"computeEnvironments": list(names)} if names else {}
        with told(f"looking at the compute environments in {self.region}"):
            return [
                views.compute(each)
                for each in self._paged("describe_compute_environments", "computeEnvironments", wanted)
            ]

    def create_compute(self, request: Request) -> None:
        """CreateComputeEnvironment, and the log group."""
        with told(f"creating the compute environment {request['computeEnvironmentName']} in {self.region}"):
            self._create(self._batch.create_compute_environment, request)
        self._have_log_group()

    def switch_compute(self, name: str, state: str) -> None:
        """UpdateComputeEnvironment."""
        with told(f"setting the compute environment {name} to {state}"):
            self._batch.update_compute_environment(computeEnvironment=name, state=state)

    def delete_compute(self, name: str) -> None:
        """DeleteComputeEnvironment."""
        with told(f"deleting the compute environment {name}"):
            self._delete(self._batch.delete_compute_environment, computeEnvironment=name)

    # --- queues -----------------------------------------------------------------------------------------------------

    def queues(self, *names: str) -> Sequence[Queue]:
        """DescribeJobQueues."""
        wanted: dict[str, Any] = {"jobQueues": list(names)} if names else {}
        with told(f"looking at the job queues in {self.region}"):
            return [views.queue(each) for each in self._paged("describe_job_queues", "jobQueues", wanted)]

    def create_queue(self, request: Request) -> None:
        """CreateJobQueue."""
        with told(f"creating the job queue {request['jobQueueName']} in {self.region}"):
            self._create(self._batch.create_job_queue, request)

    def switch_queue(self, name: str, state: str) -> None:
        """UpdateJobQueue."""
        with told(f"setting the job queue {name} to {state}"):
            self._batch.update_job_queue(jobQueue=name, state=state)

    def delete_queue(self, name: str) -> None:
        """DeleteJobQueue."""
        with told(f"deleting the job queue {name}"):
            self._delete(self._batch.delete_job_queue, jobQueue=name)

    # --- definitions ------------------------------------------------------------------------------------------------

    def definitions(self, name: str = "") -> Sequence[Definition]:
        """DescribeJobDefinitions."""
        wanted = {"status": "ACTIVE", **({"jobDefinitionName": name} if name else {})}
        with told(f"looking at the job definitions in {self.region}"):
            found = [
                views.definition(each) for each in self._paged("describe_job_definitions", "jobDefinitions", wanted)
            ]
        return sorted(found, key=lambda each: each.revision, reverse=True)

    def register(self, request: Request) -> Definition:
        """RegisterJobDefinition."""
        with told(f"registering the job definition {request['jobDefinitionName']}"):
            return views.definition({**self._batch.register_job_definition(**request), "tags": request["tags"]})

    def deregister(self, arn: str) -> None:
        """DeregisterJobDefinition."""
        with told(f"deregistering {arn}"):
            self._delete(self._batch.deregister_job_definition, jobDefinition=arn)

    # --- jobs -------------------------------------------------------------------------------------------------------

    def submit(self, request: Request) -> str:
        """SubmitJob, by a client that asks once: its repetitions would be further jobs."""
        with told(f"submitting {request['jobName']} to {request['jobQueue']}"):
            return str(self._clients.of("batch", self.region, once=True).submit_job(**request)["jobId"])

    def jobs(self, *ids: str) -> Sequence[Job]:
        """DescribeJobs."""
        if not ids:
            return []
        with told(f"looking at {ids[0] if len(ids) == 1 else 'jobs'} on Batch"):
            return [views.job(each) for each in self._batch.describe_jobs(jobs=list(ids))["jobs"]]

    def named(self, queue: str, name: str) -> Sequence[str]:
        """ListJobs with a filter, which takes no account of case and sorts the newest first."""
        wanted = {"jobQueue": queue, "filters": [{"name": "JOB_NAME", "values": [name]}]}
        with told(f"looking for {name} in {queue}"):
            found = list(self._paged("list_jobs", "jobSummaryList", wanted))
        return [each["jobId"] for each in found if each["jobName"] == name]

    def living(self, queue: str, *, on_machines: bool = False) -> Sequence[str]:
        """ListJobs, once for each state."""
        states = _ON_MACHINES if on_machines else (*_WAITING, *_ON_MACHINES)
        with told(f"listing the jobs of {queue}"):
            return [
                each["jobId"]
                for state in states
                for each in self._paged("list_jobs", "jobSummaryList", {"jobQueue": queue, "jobStatus": str(state)})
            ]

    def cancel(self, job_id: str, reason: str) -> None:
        """CancelJob."""
        with told(f"cancelling {job_id}"):
            self._batch.cancel_job(jobId=job_id, reason=reason)

    def terminate(self, job_id: str, reason: str) -> None:
        """TerminateJob."""
        with told(f"terminating {job_id}"):
            self._batch.terminate_job(jobId=job_id, reason=reason)

    def log(self, stream: str, token: str) -> LogPage:
        """GetLogEvents."""
        more = {"nextToken": token} if token else {}
        logs = self._clients.of("logs", self.region)
        with told(f"reading the log {stream}"):
            try:
                page = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **more)
            except ClientError as fault:
                if code_of(fault) == "ResourceNotFoundException":
                    return LogPage((), token)
                raise
        lines = tuple(event.get("message", "") for event in page["events"])
        return LogPage(lines, page["nextForwardToken"])

    # --- what it stands on ------------------------------------------------------------------------------------------

    def surroundings(self, types: Sequence[str], profile: str) -> Surroundings:
        """The network as for runners, the types that the region offers, and an instance profile."""
        subnets, groups = self._network.surroundings(self.region)
        offered = self._offered(types)
        arn = self._profiles.known(profile) if profile else self._profiles.ours()
        return Surroundings(tuple(subnet.id for subnet in subnets.values()), groups, arn, offered)

    def remove_surroundings(self) -> Sequence[str]:
        """Our instance profile with its role; the security group is also that of the runners, and stays."""
        return self._profiles.remove()

    def _offered(self, types: Sequence[str]) -> tuple[str, ...]:
        exact = [name for name in types if "." in name]
        if not exact:
            return tuple(types)
        with told(f"reading which types {self.region} offers"):
            found = self._clients.ec2(self.region).describe_instance_type_offerings(
                LocationType="region", Filters=[{"Name": "instance-type", "Values": exact}]
            )
        there = {str(each.get("InstanceType")) for each in found["InstanceTypeOfferings"]}
        kept = tuple(name for name in types if name in there or "." not in name)
        if not kept:
            raise NotOffered(
                f"{self.region} offers none of {', '.join(types[:8])}", hint="choose other types, or --region"
            )
        return kept

    def _have_log_group(self) -> None:
        """Batch makes it with the first job where nobody did: being refused is no harm."""
        try:
            self._clients.of("logs", self.region).create_log_group(logGroupName=LOG_GROUP)
        except ClientError:
            return

    # --- calls ------------------------------------------------------------------------------------------------------

    def _paged(self, operation: str, key: str, wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        pages = self._batch.get_paginator(operation).paginate(**wanted)
        for _, page in zip(range(MOST_PAGES), pages, strict=False):
            yield from cast("list[dict[str, Any]]", page[key])

    @staticmethod
    def _create(call: Any, request: Request) -> None:  # noqa: ANN401 - a method of boto3's
        try:
            call(**request)
        except ClientError as fault:
            if not says(fault, "already exists"):
                raise

    @staticmethod
    def _delete(call: Any, **what: str) -> None:  # noqa: ANN401 - as above
        try:
            call(**what)
        except ClientError as fault:
            if not says(fault, "does not exist"):
                raise
