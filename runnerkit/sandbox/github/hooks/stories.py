"""What a test or an example does with webhooks."""

from collections.abc import Iterable
from random import Random

from runnerkit.sandbox.github.hooks import rules
from runnerkit.sandbox.github.records import App, Delivery, Hook
from runnerkit.sandbox.github.service import Service
from runnerkit.sandbox.github.state import State


class HookStories:
    """Webhooks without the API, and trouble with their delivery; the world mixes this in."""

    state: State
    service: Service

    def add_hook(
        self,
        where: str,
        url: str,
        events: Iterable[str] = ("*",),
        *,
        secret: str = "",
        content_type: str = "json",
    ) -> Hook:
        """Make a webhook of a repository (``acme/train``) or an organisation (``acme``), without a ping."""
        with self.state.open():
            found = f"repos/{self.state.repository(where).full_name}" if "/" in where else ""
            level = found or f"orgs/{self.state.organization(where).login}"
            return rules.add_hook(self.state, level, url, list(events), secret=secret, content_type=content_type)

    def add_app_hook(self, app: App, url: str, events: Iterable[str] = ("*",), *, secret: str = "") -> Hook:
        """Give an App its webhook; it hears of every repository that the App is installed on."""
        with self.state.open():
            return rules.add_hook(
                self.state, rules.level_of_app(app.id), url, list(events), secret=secret, content_type="json"
            )

    def deliveries(self, hook: Hook) -> list[Delivery]:
        """List what was delivered to a hook, or was meant to be, oldest first."""
        with self.state.open(reading=True):
            return list(reversed(rules.deliveries_of(self.state, hook)))

    def await_webhooks(self, seconds: float = 20.0) -> bool:
        """Wait until nothing is on its way; False when that took too long."""
        with self.state.open(reading=True):
            pass
        return self.service.sender.idle.wait(seconds)

    def lose_webhooks(self, count: int = 1) -> None:
        """Lose the next deliveries; they stand in the list as failed and can be asked for again."""
        with self.state.open():
            self.service.sender.mischief.lose = count

    def double_webhooks(self, count: int = 1) -> None:
        """Deliver each of the next ones twice, under the same GUID."""
        with self.state.open():
            self.service.sender.mischief.double = count

    def delay_webhooks(self, seconds: float) -> None:
        """Deliver so many (real) seconds later, until told otherwise."""
        with self.state.open():
            self.service.sender.mischief.delay = seconds

    def unreliable_webhooks(
        self, *, lose: float = 0.0, double: float = 0.0, jitter: float = 0.0, threads: int = 4, seed: int = 0
    ) -> None:
        """Lose and double a share of the deliveries (0 to 1) by chance, and send each up to ``jitter`` seconds late.

        With jitter they arrive in any order. What is asked for again is never lost. `clear_faults` ends it.
        """
        with self.state.open():
            sender = self.service.sender
            sender.threads = threads
            found = sender.mischief
            found.lose_share, found.double_share, found.jitter = lose, double, jitter
            found.random = Random(seed)

    def turn_webhooks(self, count: int = 2) -> None:
        """Keep the next deliveries back and send them in reverse order once there are so many."""
        with self.state.open():
            self.service.sender.mischief.turn = count
