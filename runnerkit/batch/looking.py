"""What there is of ours on Batch, and which job is meant. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.batch.following import explained
from runnerkit.batch.states import JobState
from runnerkit.errors import MachineUnknown, RunnerkitError
from runnerkit.tags import OWNER

if TYPE_CHECKING:
    from runnerkit.batch.ports import Service
    from runnerkit.batch.states import Job, Queue


def looked(service: Service, owner: str) -> dict[str, Any]:
    """Queues, compute environments and living jobs of an owner; those that wait with the reason."""
    queues = _ours(service, owner)
    computes = [each for each in service.computes() if each.tags.get(OWNER) == owner]
    jobs = [_told(service, job) for queue in queues for job in service.jobs(*service.living(queue.arn)[:100])]
    return {
        "region": service.region,
        "queues": [_facts(queue.name, queue.status, queue.state, queue.reason) for queue in queues],
        "computes": [_facts(each.name, each.status, each.state, each.reason) for each in computes],
        "jobs": jobs,
    }


def _facts(name: str, status: str, state: str, reason: str) -> dict[str, str]:
    return {"name": name, "status": status, "state": state, "reason": "" if "Healthy" in reason else reason}


def _told(service: Service, job: Job) -> dict[str, Any]:
    why = job.reason
    if job.state is JobState.RUNNABLE:
        try:
            why = explained(service, job).text
        except RunnerkitError as error:
            why = why or error.message
    return {"id": job.id, "name": job.name, "state": str(job.state), "why": why, "attempts": len(job.attempts)}


def _ours(service: Service, owner: str) -> list[Queue]:
    return [queue for queue in service.queues() if queue.tags.get(OWNER) == owner]


def meant(service: Service, owner: str, word: str) -> Job:
    """The job of ours with this id, or the newest with this name in a queue of ours.

    Raises:
        MachineUnknown: There is none.
    """
    known = service.jobs(word)
    if not known:
        ids = [id_ for queue in _ours(service, owner) for id_ in service.named(queue.arn, word)[:100]]
        by_id = {job.id: job for job in service.jobs(*ids[:100])}
        known = [by_id[id_] for id_ in ids if id_ in by_id]
    found = [job for job in known if job.tags.get(OWNER) == owner]
    if not found:
        raise MachineUnknown(
            f"no job of ours on Batch in {service.region} is {word!r}",
            hint="`runnerkit batch status` lists those in queues of ours; of another queue give the id",
        )
    return found[0]
