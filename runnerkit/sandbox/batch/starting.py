"""What a job's container is started with: its image's files, its variables, its secrets."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runnerkit.sandbox.batch.containers import Order

if TYPE_CHECKING:
    from runnerkit.sandbox.batch.records import Job
    from runnerkit.sandbox.batch.world import BatchWorld
    from runnerkit.sandbox.ec2.model import Tags

AROUND = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED")


class CannotStart(Exception):
    """A container that AWS could not start; the message is what it then tells as the reason."""


def order(world: BatchWorld, job: Job) -> Order:
    """What is to run for the next attempt of a job.

    Raises:
        CannotStart: Its image or its secrets cannot be had.
    """
    image = str(job.container["image"])
    if any(fnmatchcase(image, pattern) for pattern in world.unpullable):
        raise CannotStart(f"CannotPullContainerError: Error response from daemon: pull access denied for {image}")
    folder = next((folder for pattern, folder in world.images.items() if fnmatchcase(image, pattern)), None)
    return Order(
        name=f"batch-{job.id[:8]}-{len(job.attempts) + 1}",
        image=image,
        command=job.container.get("command", []),
        environ=_environment(world, job),
        folder=folder,
        engine=world.engine_command,
        engine_environ=world.engine_environ,
    )


def _environment(world: BatchWorld, job: Job) -> Tags:
    given = {each["name"]: each.get("value", "") for each in job.container.get("environment", ())}
    own = {
        "AWS_BATCH_JOB_ID": job.id,
        "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts) + 1),
        "AWS_BATCH_JQ_NAME": job.queue.name,
        "AWS_BATCH_CE_NAME": job.compute.name if job.compute else "",
    }
    # Without a role of its own a command has no credentials, as on AWS.
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if job.container.get("jobRoleArn") else ()
    known = world.surroundings()
    around = {name: known[name] for name in (*AROUND, *keys) if name in known}
    return {**around, **given, **_secrets(world, job), **own}


def _secrets(world: BatchWorld, job: Job) -> Tags:
    found = {}
    for each in job.container.get("secrets", ()):
        value = world.secret(world.region_of(job).name, each["valueFrom"])
        if value is None:
            raise CannotStart(
                "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secrets: "
                f"{each['valueFrom']} was not found"
            )
        found[each["name"]] = value
    return found


def wording(error: Exception) -> str:
    """How Docker tells that a command cannot be started."""
    if isinstance(error, CannotStart):
        return str(error)
    return f"CannotStartContainerError: Error response from daemon: failed to create task: {error}"
