"""What becomes of the machines of a launch whose workflow is cancelled.

GitHub gives a cancelled step 7.5 seconds after SIGINT and 2.5 more after SIGTERM, then kills it. What cannot be ended
in that time ends itself: a machine without a runner at once, one whose job never comes when its ``idle`` is over.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runnerkit.cli.common import Interrupted
from runnerkit.errors import RunnerkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runnerkit.fleet import Fleet
    from runnerkit.slots import LaunchRequest, Slot

ENDED = "interrupted; machines that this launch had started are ended"
LEFT = "interrupted; what this launch had started could not be ended now, and ends itself when it stays idle"


def within_workflow(environment: Mapping[str, str]) -> bool:
    """Whether a workflow runs us: then nobody will ever use a machine whose launch was cancelled."""
    return environment.get("GITHUB_ACTIONS") == "true"


@contextmanager
def taken_back(
    fleet: Fleet, request: LaunchRequest, place: str, started: Sequence[Slot], environment: Mapping[str, str]
) -> Iterator[None]:
    """End what was started when a workflow's launch is interrupted; machines that it only adopted are spared.

    Args:
        fleet: Ends them; a machine that runs a job is spared.
        request: What was asked for.
        place: Where its runners are registered.
        started: The machines that are there so far.
        environment: Tells whether this is a workflow.

    Raises:
        Interrupted: It was, and not all could be ended.
    """
    try:
        yield
    except KeyboardInterrupt:
        if within_workflow(environment):
            _end(fleet, request, place, started)
        raise


def _end(fleet: Fleet, request: LaunchRequest, place: str, started: Sequence[Slot]) -> None:
    from runnerkit.slots import names

    # Where this run has replaced machines before, a launch began with later names than the first.
    own = {str(slot.name) for slot in started if not slot.adopted}
    spared = {str(slot.name) for slot in started if slot.adopted}
    meant = {str(name) for name in names(request, place, fleet.policy.max_tries)} - spared | own
    try:
        failed = [outcome.error for outcome in fleet.terminate(sorted(meant), registrations=True) if outcome.error]
    except RunnerkitError as error:
        failed = [error]
    if failed:
        raise Interrupted(f"{LEFT} ({failed[0]})") from failed[0]
