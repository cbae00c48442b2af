"""What a job needs on Batch: found by its name, made when it is missing, waited for until it can be used. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from runnerkit.batch import requests
from runnerkit.batch.explaining import invalid
from runnerkit.batch.states import DELETED, DELETING, DISABLED, ENABLED, INVALID, VALID, Compute, Queue
from runnerkit.errors import CloudUnavailable, ConfigError, LaunchRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runnerkit.batch.ports import Service
    from runnerkit.batch.states import Definition
    from runnerkit.batch.wish import Container, Machines
    from runnerkit.ports import Clock

SLOWER, LATEST = 1.5, 10.0
# Looks at what becomes ready; about ten minutes.
MOST_LOOKS = 70
_Thing = TypeVar("_Thing", Compute, Queue)


@dataclass(frozen=True, slots=True)
class Ready:
    """What jobs are submitted to, and with what."""

    queue: Queue
    definition: Definition


class Preparer:
    """Makes ready what a wish needs.

    Args:
        service: Batch.
        clock: For waiting.
        owner: The tag's value that marks things as ours, which is also in their names.
        placed: Configured subnets and security groups.
        say: Hears what is made.
        poll: Seconds between the first looks at what is being made.
    """

    def __init__(
        self,
        service: Service,
        clock: Clock,
        owner: str,
        placed: Sequence[str],
        say: Callable[[str], None],
        poll: float = 1.0,
    ) -> None:
        self._service = service
        self._clock = clock
        self._owner = owner
        self._placed = tuple(placed)
        self._say = say
        self._poll = poll

    def prepare(self, container: Container, machines: Machines, types: Sequence[str]) -> Ready:
        """Queue and definition, ready for a job.

        Raises:
            ConfigError: An existing queue or compute environment that was named does not exist.
            LaunchRejected: Something cannot be used, as it is configured.
        """
        if machines.queue:
            queue = self._existing_queue(machines.queue)
        else:
            queue = self._own_queue(machines, types, gpu=container.gpus > 0)
        return Ready(queue, self.definition(container))

    def definition(self, container: Container) -> Definition:
        """The newest revision with this content, registered when there is none."""
        request = requests.definition(self._owner, container, self._service.region, self._service.tags())
        known = self._service.definitions(request["jobDefinitionName"])
        if known:
            return known[0]
        made = self._service.register(request)
        self._say(f"registered the job definition {made.name}")
        return made

    # --- queues -----------------------------------------------------------------------------------------------------

    def _existing_queue(self, name: str) -> Queue:
        found = next(iter(self._service.queues(name)), None)
        if found is None:
            raise ConfigError(f"--queue {name}: there is no such job queue in {self._service.region}")
        if found.state != ENABLED:
            raise LaunchRejected(
                f"the job queue {name} is disabled and takes no jobs",
                hint=f"aws batch update-job-queue --job-queue {name} --state ENABLED",
            )
        return found

    def _own_queue(self, machines: Machines, types: Sequence[str], *, gpu: bool) -> Queue:
        if machines.compute:
            compute = self._usable(machines.compute, f"--compute-environment {machines.compute}")
            name = requests.named("rk", self._owner, compute.name)
        else:
            name = requests.compute_name(self._owner, machines, self._placed)
            compute = self._own_compute(name, machines, types, gpu=gpu)
        found = self._gone_or_there(name, self._service.queues)
        if found is None:
            self._service.create_queue(requests.queue(name, compute.arn, self._service.tags()))
            self._say(f"made the job queue {name}")
        elif _usable(found):
            return found
        elif found.state == DISABLED:
            self._service.switch_queue(name, ENABLED)
        return self._until_valid(name, self._service.queues)

    # --- compute environments ---------------------------------------------------------------------------------------

    def _own_compute(self, name: str, machines: Machines, types: Sequence[str], *, gpu: bool) -> Compute:
        found = self._gone_or_there(name, self._service.computes)
        if found is None:
            where = self._service.surroundings(types, machines.profile)
            request = requests.compute(name, machines, where, self._service.tags(), gpu=gpu)
            self._service.create_compute(request)
            self._say(
                f"made the compute environment {name} ({', '.join(request['computeResources']['instanceTypes'])})"
            )
        elif _usable(found):
            return found
        elif found.state == DISABLED:
            self._service.switch_compute(name, ENABLED)
        return self._until_valid(name, self._service.computes)

    def _usable(self, name: str, option: str) -> Compute:
        found = next(iter(self._service.computes(name)), None)
        if found is None:
            raise ConfigError(f"{option}: there is none in {self._service.region}")
        return self._until_valid(name, self._service.computes)

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _gone_or_there(self, name: str, look: Callable[[str], Sequence[_Thing]]) -> _Thing | None:
        """What has this name; what is just being deleted is waited for, as its name cannot be used before."""
        pause = self._poll
        for _ in range(MOST_LOOKS):
            found = next((each for each in look(name) if each.status != DELETED), None)
            if found is None or found.status != DELETING:
                return found
            self._clock.wait(pause)
            pause = min(pause * SLOWER, LATEST)
        raise CloudUnavailable(f"{name} has been on its way out for minutes", hint="see AWS's console, or try again")

    def _until_valid(self, name: str, look: Callable[[str], Sequence[_Thing]]) -> _Thing:
        pause = self._poll
        for _ in range(MOST_LOOKS):
            found = next(iter(look(name)), None)
            if found is not None and _usable(found):
                return found
            if found is not None and found.status == INVALID:
                raise _unusable(found)
            self._clock.wait(pause)
            pause = min(pause * SLOWER, LATEST)
        raise CloudUnavailable(f"{name} did not become ready for minutes", hint="see AWS's console, or try again")


def _usable(found: Compute | Queue) -> bool:
    return found.status == VALID and found.state == ENABLED


def _unusable(found: Compute | Queue) -> LaunchRejected:
    if isinstance(found, Compute):
        why = invalid(found)
        return LaunchRejected(why.text, hint=why.hint)
    return LaunchRejected(
        f"the job queue {found.name} is INVALID: {found.reason or 'Batch gives no reason'}",
        hint="`runnerkit batch remove` removes it, and the next run makes it anew",
    )
