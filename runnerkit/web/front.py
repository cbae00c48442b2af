"""Front: everything around the loop, put together from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runnerkit.errors import ConfigError
from runnerkit.web.door import Door, is_loopback
from runnerkit.web.health import Health
from runnerkit.web.metrics import Metrics
from runnerkit.web.receiver import Receiver
from runnerkit.web.redelivery import Redelivery
from runnerkit.web.server import Server
from runnerkit.web.service import Loop, Service
from runnerkit.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runnerkit.errors import RunnerkitError
    from runnerkit.passes import MachineStatus, Pass
    from runnerkit.ports import Clock, Events, Hooks
    from runnerkit.settings import ServeSettings

PAGE = Path(__file__).with_name("page")


class Wakeable(Loop, Protocol):
    """A loop that can be woken; :class:`runnerkit.fleet.Fleet` is the one in use."""

    def hint(self, repo: str) -> bool:
        """Something happened in a repository; False when it is not served. Any thread may call this."""

    def machines(self, seen: Pass) -> Iterable[MachineStatus]:
        """The machines as a pass saw them."""


class Front:
    """What the outside sees of a service.

    Args:
        settings: Where to listen and whom to let in.
        clock: Tells the time.
        webhooks: Whether to take webhooks in.
        calls_left: What GitHub's hourly limit still allows; None when that is not known.

    Raises:
        ConfigError: Webhooks are wanted and there is no secret.
    """

    def __init__(
        self,
        settings: ServeSettings,
        clock: Clock,
        *,
        webhooks: bool,
        calls_left: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._secrets = [secret.get_secret_value() for secret in settings.webhook_secrets] if webhooks else []
        if webhooks and not self._secrets:
            raise ConfigError(
                "webhooks without a secret may come from anybody, and none is set",
                hint="set webhook_secrets under [serve] to what the webhook at GitHub has, or poll with --no-webhooks",
            )
        self.health = Health(clock, settings.interval)
        self.metrics = Metrics(clock, calls_left)

    def service(
        self,
        fleet: Wakeable,
        *,
        events: Events,
        document: Callable[[], bytes],
        spent: Callable[[], Mapping[str, float]],
        saw: Callable[[Pass], None],
        hooks: Hooks | None = None,
    ) -> Service:
        """The service, its address taken already.

        Args:
            fleet: Makes the passes.
            events: Hears what happens; ``health`` and ``metrics`` must be among the listeners.
            document: What the status page shows, as JSON.
            spent: The dollars of this day by repository.
            saw: Told of each pass.
            hooks: Where lost webhooks are asked for; None where nobody can.

        Raises:
            ConfigError: The address cannot be had.
        """
        settings, self.metrics.spent = self._settings, spent
        receiver = Receiver(self._secrets, hint=fleet.hint, clock=self._clock, events=events) if self._secrets else None
        redelivery = None
        if receiver is not None and hooks is not None:
            redelivery = Redelivery(hooks, known=receiver.knows, clock=self._clock, events=events)
        door = self._door()

        def after(done: Pass | RunnerkitError) -> None:
            # Errors are heard as events.
            if not isinstance(done, Exception):
                self.metrics.passed(done, fleet.machines(done))
                saw(done)

        return Service(
            fleet,
            Server(
                Site(receiver, self.health, self.metrics, document, door, PAGE, events),
                bind=settings.bind,
                port=settings.port,
                workers=settings.workers,
                trusted_proxy=settings.trusted_proxy,
            ),
            events,
            pages=_visitors(door),
            webhooks=receiver is not None,
            redelivery=redelivery,
            interval=settings.interval,
            after=after,
            stop_within=settings.stop_within,
        )

    def _door(self) -> Door:
        password, settings = self._settings.page_password, self._settings
        local = is_loopback(settings.bind) and settings.trusted_proxy is None
        return Door(password.get_secret_value() if password else None, local)


def _visitors(door: Door) -> str:
    if door.password is not None:
        return "those who have the password"
    return "people at this machine" if door.local else "nobody, as page_password is not set"
