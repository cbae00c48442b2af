"""A pass of the controller as the overview needs it: the service, on a floor above, fits these Protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.actions import Action, Demand, Plan, Refused
    from runnerkit.errors import RunnerkitError
    from runnerkit.model import Job, Observed


class Tried(Protocol):
    """What became of an action, as the overview needs it."""

    @property
    def action(self) -> Action:
        """The action."""

    @property
    def error(self) -> RunnerkitError | None:
        """Why it failed; None when it did not."""


class Seen(Protocol):
    """A pass of the controller, as the overview needs it."""

    @property
    def observed(self) -> Observed:
        """The world."""

    @property
    def demand(self) -> Sequence[Demand]:
        """The queued jobs that shall get a machine."""

    @property
    def refused(self) -> Sequence[Refused]:
        """The queued jobs that ask for one and do not get it."""

    @property
    def plan(self) -> Plan:
        """What was decided."""

    @property
    def outcomes(self) -> Sequence[Tried]:
        """What became of it."""

    @property
    def unserved(self) -> Sequence[Job]:
        """The queued jobs that do not ask for us and that nobody can take."""

    @property
    def active(self) -> Sequence[Job]:
        """All jobs of runs that are not over."""
