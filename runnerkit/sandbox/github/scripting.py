"""The unpleasant side of the world, scripted call by call."""

from collections.abc import Mapping

from runnerkit.sandbox.github.faults import Fault, Faults, Hold
from runnerkit.sandbox.github.limits import Limits
from runnerkit.sandbox.github.service import SECONDARY, Service
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import Tokens


class Scripting:
    """Faults by method and path; a path is a file-name pattern such as ``*/generate-jitconfig``."""

    faults: Faults
    limits: Limits
    service: Service
    state: State
    tokens: Tokens

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        times: int | None = 1,
        *,
        message: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer with an error, without effect."""
        self.faults.add(Fault(method, path, times, status, message, headers or {}))

    def lose_answer(self, method: str, path: str, times: int | None = 1) -> None:
        """Do what is asked, then drop the connection without a word."""
        self.faults.add(Fault(method, path, times, lose=True))

    def hold(self, method: str, path: str, when: str = "before") -> Hold:
        """Stop the next such call before or after its effect; wait for ``.reached``, go on with ``.release()``."""
        hold = Hold(when)
        self.faults.add(Fault(method, path, 1, hold=hold))
        return hold

    def delay(self, seconds: float, method: str = "*", path: str = "*", times: int | None = None) -> None:
        """Make calls slow, in real seconds."""
        self.faults.add(Fault(method, path, times, delay=seconds))

    def clear_faults(self) -> None:
        """Be pleasant again; lists stop lagging too, and webhooks come once, in order and at once."""
        self.faults.clear()
        with self.state.open():
            self.service.sender.settle()
        self.lag(0)

    def lag(self, seconds: float) -> None:
        """Let lists of runners, runs and jobs show the world as it was so many (world) seconds ago; 0 ends it."""
        with self.state.open():
            self.state.lag(seconds)

    def rate_limit(
        self,
        remaining: int = 0,
        *,
        reset_in: float = 3600,
        token: str | None = None,
        resource: str = "core",
        status: int = 403,
    ) -> None:
        """Leave a token (nobody when None) so many calls until ``reset_in`` seconds from now.

        ``status`` is what GitHub answers with beyond that: 403 or 429.
        """
        holder = self.tokens.find(token or "", self.state.now())
        self.limits.script(holder, resource, remaining, reset_in, status)

    def secondary_limit(
        self, *, retry_after: int = 60, times: int | None = 1, status: int = 403, method: str = "*", path: str = "*"
    ) -> None:
        """Refuse calls as too fast."""
        headers = {"Retry-After": str(retry_after)}
        self.fail(method, path, status, times, message=SECONDARY, headers=headers)
