"""The log of a job as it is written: nothing twice, nothing left out, the last lines too. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.consoles import shown
from runnerkit.errors import RunnerkitError
from runnerkit.job.result import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.batch.ports import Service
    from runnerkit.batch.states import Job
    from runnerkit.ports import Clock

    Say = Callable[[str], None]

# A page holds up to 10,000 lines. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
MOST_PAGES = 100
# What a machine writes last comes to CloudWatch some seconds later.
LOOKS_AFTER_THE_END = 3
MOST_LOOKS_AFTER_THE_END = 30
LOOKS_AFTER_A_CHANGE = 6


@dataclass(slots=True)
class _Stream:
    name: str
    token: str = ""
    quiet: int = 0


class Log:
    """The streams of a job's attempts, each read from its beginning.

    Args:
        service: Where from.
        out: Takes the lines, without control characters and secrets.
        secrets: The variables whose values must not be shown where their names say that they are secret.
    """

    def __init__(self, service: Service, out: Say, secrets: Mapping[str, str]) -> None:
        self._service = service
        self._out = out
        self._secrets = secrets
        self._streams: dict[str, _Stream] = {}
        self.trouble: RunnerkitError | None = None

    def look(self, job: Job) -> bool:
        """Give out what is new; whether there was something.

        A log that may not be read is no reason to end a job: :attr:`trouble` then tells why.
        """
        for name in job.streams:
            self._streams.setdefault(name, _Stream(name))
        last = job.streams[-1] if job.streams else ""
        found = [self._read(stream) for stream in self._streams.values() if self._worth(stream, last)]
        return any(found)

    def drain(self, job: Job, clock: Clock, pause: float) -> None:
        """Give out the rest, once the job is over."""
        for stream in self._streams.values():
            stream.quiet = 0
        quiet = 0
        for _ in range(MOST_LOOKS_AFTER_THE_END):
            quiet = 0 if self.look(job) else quiet + 1
            if quiet == LOOKS_AFTER_THE_END or not self._streams:
                return
            clock.wait(pause)

    def _worth(self, stream: _Stream, last: str) -> bool:
        """Whether more may come; the log of an attempt before the last one ends at some time."""
        return self.trouble is None and (stream.name == last or stream.quiet < LOOKS_AFTER_A_CHANGE)

    def _read(self, stream: _Stream) -> bool:
        lines: list[str] = []
        try:
            for _ in range(MOST_PAGES):
                page = self._service.log(stream.name, stream.token)
                lines += page.lines
                # The same token again means the end; an empty page alone does not.
                if page.token in {stream.token, ""}:
                    break
                stream.token = page.token
        except RunnerkitError as error:
            if not error.retryable:
                self.trouble = error
        finally:
            self._show(lines)
        stream.quiet = 0 if lines else stream.quiet + 1
        return bool(lines)

    def _show(self, lines: list[str]) -> None:
        if lines:
            for line in redacted(shown("\n".join(lines)), self._secrets).split("\n"):
                self._out(line)
