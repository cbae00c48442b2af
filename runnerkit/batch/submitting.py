"""Submitting a job once, although Batch has no client token and answers get lost. Pure.

A job's name says what it is: the workflow run, its attempt, and a digest of the command. A job of that name that lives,
or ended well, is this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.batch.states import JobState
from runnerkit.errors import CloudThrottled, CloudUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.batch.ports import Request, Service
    from runnerkit.ports import Clock

# Seconds between looks for a job whose submission was not answered: lists lag behind a little.
LOOKS = (0.5, 1.0, 2.0, 4.0)
SUBMISSIONS = 4


class Submission:
    """One job to be submitted; ``id`` is empty as long as it is not known.

    Args:
        service: Batch.
        clock: For waiting.
        request: SubmitJob's, with the name and the queue's ARN.
        say: Hears what happens.
    """

    def __init__(self, service: Service, clock: Clock, request: Request, say: Callable[[str], None]) -> None:
        self._service = service
        self._clock = clock
        self._request = request
        self._say = say
        self._before: frozenset[str] = frozenset()
        self._sent = False
        self.id = ""

    def submit(self) -> str:
        """The job's id: that of the job which is there already, or of a new one.

        Raises:
            LaunchRejected: Batch does not take it.
            CloudUnavailable: It could not be found out whether Batch took it.
        """
        name = self._request["jobName"]
        there = self._named()
        if there and (adopted := self._adoptable(there)):
            self.id = adopted
            self._say(f"this run has submitted the job {name} before: it is followed")
            return self.id
        self._before = frozenset(there)
        for left in reversed(range(SUBMISSIONS)):
            try:
                self._sent = True
                self.id = self._service.submit(self._request)
                break
            except CloudThrottled:
                if not left:
                    raise
                self._clock.wait(LOOKS[-1])
            except CloudUnavailable:
                self.id = self._search()
                if self.id or not left:
                    break
        if not self.id:
            raise CloudUnavailable(
                f"it is not known whether Batch took the job {name}",
                hint="the same command again finds it if it did; `runnerkit batch status` shows it",
            )
        self._say(f"submitted {name} as {self.id}")
        return self.id

    def found(self) -> str:
        """The id as far as it is known or can be found out at once; empty when there is no job."""
        if not self.id and self._sent:
            self.id = self._new()
        return self.id

    def _search(self) -> str:
        """The job whose submission was not answered."""
        self._say("AWS did not answer; looking whether it took the job")
        for pause in LOOKS:
            try:
                if new := self._new():
                    return new
            except CloudUnavailable:
                pass
            self._clock.wait(pause)
        return ""

    def _new(self) -> str:
        return next((id_ for id_ in self._named() if id_ not in self._before), "")

    def _named(self) -> list[str]:
        return list(self._service.named(self._request["jobQueue"], self._request["jobName"]))

    def _adoptable(self, ids: list[str]) -> str:
        """The newest, unless it failed: then the same step is tried again."""
        found = {job.id: job for job in self._service.jobs(*ids[:100])}
        newest = next((found[id_] for id_ in ids if id_ in found), None)
        return newest.id if newest is not None and newest.state is not JobState.FAILED else ""
