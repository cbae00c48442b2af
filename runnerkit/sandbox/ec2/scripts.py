"""What a test can script: capacity, prices and times, and every kind of trouble."""

from __future__ import annotations

import base64
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2 import principals
from runnerkit.sandbox.ec2.capacity import ON_DEMAND, QUOTA_CLASSES, SPOT, Pool
from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.lifecycle import at_launch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runnerkit.sandbox.ec2.core import Core
    from runnerkit.sandbox.ec2.faults import Hold, When

DENIED = (
    "You are not authorized to perform this operation. User: arn:aws:iam::{account}:user/sandbox is not authorized to "
    "perform: ec2:{action} because no identity-based policy allows the ec2:{action} action. "
    "Encoded authorization failure message: {encoded}"
)


class Scripts:
    """The scripting half of a world. An action of ``*`` is any action; ``times=None`` lasts until ``reset()``."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def account(self) -> str:
        """The AWS account id of this world."""
        return self._core.account

    def trust(self, provider: Callable[[], str] | None) -> None:
        """Verify the tokens of GitHub's jobs by this key (PEM) and by the roles' trust policies; None: take any."""
        self._core.provider = provider

    # --- capacity, prices, times ----------------------------------------------------------------------------------

    def capacity(
        self,
        type: str,  # noqa: A002 - AWS's word
        zone: str,
        market: str,
        left: int | None,
        *,
        code: str = "",
        message: str = "",
    ) -> None:
        """Let ``left`` more machines start in a pool (None: any number). ``*`` stands for any type, zone or market.

        An empty pool refuses with ``code``, by default UnfulfillableCapacity for spot in a fleet and
        InsufficientInstanceCapacity everywhere else. Machines that end give back what they took.
        """
        _one_of("market", market, (SPOT, ON_DEMAND, "*"))
        _not_negative(left=left)
        with self._core.lock:
            self._core.capacity.set(Pool(type, zone, market), left, code, message)

    def quota(self, market: str, family: str, vcpus: int | None) -> None:
        """Limit the virtual CPUs of a family class (``G``, ``P``, ``Standard``, ...) on a market."""
        _one_of("market", market, (SPOT, ON_DEMAND))
        _one_of("family", family, QUOTA_CLASSES)
        _not_negative(vcpus=vcpus)
        with self._core.lock:
            self._core.capacity.set_quota(market, family, vcpus)

    def spot_role(self, *, exists: bool) -> None:
        """Whether somebody has made the service-linked role for spot; without it spot is refused."""
        with self._core.lock:
            self._core.spot_role = exists

    def spot_price(self, type: str, zone: str, dollars: float) -> None:  # noqa: A002 - AWS's word
        """Fix the spot price of a type in a zone (``*``: every zone), in dollars an hour."""
        _not_negative(dollars=dollars)
        with self._core.lock:
            self._core.prices.set(type, zone, dollars)

    def times(
        self,
        *,
        boot: float | None = None,
        shutdown: float | None = None,
        image: float | None = None,
        notice: float | None = None,
        vanish: float | None = None,
    ) -> None:
        """Set how long things take, in seconds; ``vanish`` is how long terminated machines stay listed."""
        core = self._core
        _not_negative(boot=boot, shutdown=shutdown, image=image, notice=notice, vanish=vanish)
        with core.lock:
            core.boot_delay = core.boot_delay if boot is None else boot
            core.shutdown_delay = core.shutdown_delay if shutdown is None else shutdown
            core.image_delay = core.image_delay if image is None else image
            core.notice_seconds = core.notice_seconds if notice is None else notice
            core.vanish_after = core.vanish_after if vanish is None else vanish

    def settle(self, seconds: float) -> None:
        """For so long after a launch EC2 denies that the machine exists, by id and in lists."""
        _not_negative(seconds=seconds)
        self._core.settle = seconds

    def lag(self, seconds: float) -> None:
        """Lists (not look-ups by id) show the machines as they were so long ago."""
        _not_negative(seconds=seconds)
        self._core.lag = seconds

    def advance(self, seconds: float) -> None:
        """Move the world's clock on; what becomes due happens at once."""
        _not_negative(seconds=seconds)
        self._core.clock.advance(seconds)
        self._core.tick()

    def stand_still(self) -> None:
        """Stop the world's clock: from here on only :meth:`advance` moves it."""
        self._core.clock.stand_still()

    # --- trouble --------------------------------------------------------------------------------------------------

    def refuse(
        self, code: str, action: str = "*", times: int | None = 1, *, message: str = "", status: int | None = None
    ) -> None:
        """Answer the next calls of an action with an AWS error, with its usual HTTP status and wording."""
        _not_negative(times=times)
        if status is not None:
            HTTPStatus(status)
        if code == "UnauthorizedOperation" and not message:
            encoded = base64.urlsafe_b64encode(os.urandom(48)).decode()
            message = DENIED.format(account=self.account, action=action, encoded=encoded)
        self._core.faults.refuse(AwsError(code, message, status), action, times)

    def throttle(self, action: str = "*", times: int | None = 1) -> None:
        """Answer RequestLimitExceeded (HTTP 503)."""
        self.refuse("RequestLimitExceeded", action, times)

    def limits(self, *, enabled: bool = True) -> None:
        """Apply EC2's published request limits (token buckets per action)."""
        self._core.buckets.enabled = enabled

    def credentials(self, code: str | None, access_key: str = "*") -> None:
        """Refuse an access key (``*``: all) with a code, for example ``AuthFailure``; None: accept it."""
        self._core.credentials.pop(access_key, None)
        if code:
            self._core.credentials[access_key] = code

    def enforce(self, *, enabled: bool = True) -> None:
        """Demand permissions: from now on IAM's policies decide what each access key may do; the root's may do all.

        Resources count where a request names them (S3, Parameter Store, SNS, IAM); conditions do not count.
        """
        self._core.guard.demands = enabled

    def user(self, name: str, policy: Mapping[str, Any]) -> dict[str, str]:
        """Make an IAM user with a policy, or change its policy; returns the variables with its access key."""
        key, secret = principals.new_user(self.account, name, {"policy": dict(policy)})
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    def delay(self, action: str, seconds: float, times: int | None = None) -> None:
        """Let calls wait before anything happens; ``*`` delays every call."""
        _not_negative(seconds=seconds, times=times)
        self._core.faults.delay(action, seconds, times)

    def lose_answer(self, action: str, times: int | None = 1) -> None:
        """Do what a call asks, then drop the connection without an answer."""
        _not_negative(times=times)
        self._core.faults.lose_answer(action, times)

    def hold(self, action: str, when: When = "before") -> Hold:
        """Stop the next call of an action just ``before`` or just ``after`` its effect."""
        _one_of("when", when, ("before", "after"))
        return self._core.faults.hold(action, when)

    def fail_launch(self, code: str = "Server.InsufficientInstanceCapacity", times: int = 1) -> None:
        """The next machines go from pending to terminated although their launch call succeeded."""
        with self._core.lock:
            self._core.doomed += [at_launch(code)] * times


def _one_of(name: str, said: str, words: Collection[str]) -> None:
    """Refuse what would match nothing: a script with a slip in it would let its test pass."""
    if said not in words:
        raise ValueError(f"{name} is one of {', '.join(words)}, not {said!r}")


def _not_negative(**numbers: float | None) -> None:
    for name, number in numbers.items():
        if number is not None and not number >= 0:
            raise ValueError(f"{name} is {number} and cannot be negative")
