"""One builder at work: reached, driven, stopped, gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.baking import boot as remote
from runnerkit.baking.errors import BakeError, ConnectionLost
from runnerkit.baking.line import Line, Pace, Steps

if TYPE_CHECKING:
    from datetime import datetime

    from runnerkit.baking.ports import Bakery, Builder, Shell
    from runnerkit.names import Secret
    from runnerkit.settings import AmiSettings

# Long: EC2 takes its time to let go of a network interface, and only then of the security group.
GONE_SECONDS = 420
STOP_SECONDS = 420


@dataclass(slots=True)
class Building:
    """A builder and the line to it."""

    bakery: Bakery
    builder: Builder
    key: Secret | None
    settings: AmiSettings
    pace: Pace
    ssh_from: str = ""
    resumed: bool = False
    host_keys: tuple[tuple[str, str], ...] = ()
    line: Line | None = field(default=None, repr=False)

    def key_in_use(self) -> Secret:
        """The key that logs in.

        Raises:
            BakeError: There is none.
        """
        if self.key is None:
            raise BakeError(f"there is no key for builder {self.builder.id}")
        return self.key

    def reach(self, host_keys: tuple[tuple[str, str], ...] = ()) -> None:
        """Wait until the builder can be logged in to, and is the machine whose console we read.

        Raises:
            HostKeyMismatch: Somebody else answers.
            BakeError: It ended, printed no keys, or was not reached in time.
        """
        clock = self.bakery.clock
        end = clock.now() + timedelta(seconds=self.settings.reach_within)
        self.host_keys = host_keys
        last: ConnectionLost | None = None
        while True:
            self.check_alive()
            self.host_keys = self.host_keys or self._printed()
            if self.host_keys and self._address():
                try:
                    shell = self._connect()
                except ConnectionLost as lost:
                    last = lost
                else:
                    self._hold(shell)
                    return
            if clock.now() >= end:
                raise self._unreached(last)
            clock.wait(self.pace.look)

    def _hold(self, shell: Shell) -> None:
        waiting = [shell]
        self.line = Line(
            lambda: waiting.pop() if waiting else self._connect(), self.check_alive, self.bakery.clock, self.pace
        )

    def _connect(self) -> Shell:
        return self.bakery.connects(self._address(), self.settings.ssh_port, self.key_in_use(), self.host_keys)

    def _address(self) -> str:
        return self.builder.private_address if self.settings.private else self.builder.public_address

    def _printed(self) -> tuple[tuple[str, str], ...]:
        return remote.host_keys(self.bakery.builders.console(self.builder.region, self.builder.id))

    def check_alive(self) -> None:
        """Look at the builder anew.

        Raises:
            BakeError: It is over.
        """
        found = self.bakery.builders.look(self.builder.region, self.builder.id)
        if found is None:
            return
        self.builder = found
        if not found.is_live or found.state in {"stopping", "stopped"}:
            why = f" ({found.state_reason})" if found.state_reason else ""
            raise BakeError(
                f"builder {found.id} is {found.state}{why}",
                hint="bake again; a spot builder may be taken by AWS, and every builder ends at the end of its life",
            )

    def _unreached(self, last: ConnectionLost | None) -> BakeError:
        what = f"builder {self.builder.id} cannot be used after {self.settings.reach_within} s"
        if not self._address():
            return BakeError(
                f"{what}: it has no {'private' if self.settings.private else 'public'} address",
                hint="use a subnet that gives public addresses, or bake from within with private = true in [ami]",
            )
        if not self.host_keys:
            return BakeError(
                f"{what}: its console shows no SSH host keys, so nobody could tell whether it is the right machine",
                hint="the base image needs cloud-init and sshd; look at the console with `aws ec2 get-console-output`",
            )
        said = last.message if last else "no answer"
        return BakeError(
            f"{what}: {said}",
            hint=f"port {self.settings.ssh_port} is open for {self.ssh_from or 'the first network'} only; come from"
            " there, or give --ssh-from; subnet and routes must let you in, too",
        )

    def steps(self, recipe: str) -> Steps:
        """What runs steps there."""
        return Steps(self._line(), self.bakery.clock, self.bakery.events, recipe, self.settings.silence, self.pace)

    def _line(self) -> Line:
        if self.line is None:
            raise BakeError(f"builder {self.builder.id} was not reached yet")
        return self.line

    def forget(self, chain: str) -> None:
        """Take the outcome of a step away."""
        self._line().must(remote.forget(chain), "making room for a check")

    def wait_for_us(self, seconds: int) -> None:
        """Let the dead-man's switch wait so long."""
        self._line().must(remote.heard(seconds), "telling the builder to wait")

    def clean(self) -> None:
        """Take away what must not be in an image: keys, ids, logs, lists.

        Raises:
            BakeError: It did not come to its end.
        """
        self._line().must(remote.heard(self.settings.silence), "telling the builder to wait")
        outcome = self._line().run(remote.CLEAN, timeout=300.0)
        if not outcome.out.strip().endswith(b"cleaned"):
            raise BakeError(f"the builder could not be cleaned: {outcome.out.decode(errors='replace').strip()[-500:]}")

    def stop(self) -> None:
        """Stop the builder, so that its disks are at rest; EC2 restarts a spot builder instead, for the image.

        Raises:
            BakeError: It did not stop in time.
        """
        self.close()
        if self.builder.spot:
            return
        clock, builders = self.bakery.clock, self.bakery.builders
        builders.stop(self.builder)
        end = clock.now() + timedelta(seconds=STOP_SECONDS)
        while clock.now() < end:
            found = builders.look(self.builder.region, self.builder.id)
            if found is not None and found.state == "stopped":
                self.builder = found
                return
            if found is not None and not found.is_live:
                raise BakeError(f"builder {found.id} ended instead of stopping ({found.state_reason or found.state})")
            clock.wait(self.pace.look)
        raise BakeError(f"builder {self.builder.id} did not stop within {STOP_SECONDS} s")

    def wait_until_gone(self) -> None:
        """Wait until EC2 has ended the builder; its security group cannot go before."""
        clock = self.bakery.clock
        end = clock.now() + timedelta(seconds=GONE_SECONDS)
        while clock.now() < end:
            found = self.bakery.builders.look(self.builder.region, self.builder.id)
            if found is None or found.state == "terminated":
                return
            clock.wait(self.pace.look)

    def clear(self) -> None:
        """Remove what was made for the builder.

        Raises:
            BakeError: EC2 still uses it; the sweep will remove it.
        """
        clock = self.bakery.clock
        end = clock.now() + timedelta(seconds=GONE_SECONDS)
        while not self.bakery.builders.clear(self.builder.region, self.builder.name):
            if clock.now() >= end:
                raise BakeError(f"EC2 still uses the security group {self.builder.name}; `runnerkit sweep` removes it")
            clock.wait(self.pace.look)

    def how_to_go_on(self, until: datetime) -> str:
        """What a person can do while the builder waits."""
        cost = f" at ${self.builder.price:.3f}/h" if self.builder.price is not None else ""
        return (
            f"mend the step and run the same command again: builder {self.builder.id} waits until {until:%H:%M} UTC"
            f"{cost}, keeps what is done and goes on with this step; `--fresh` starts anew, `--no-keep-builder` keeps"
            " none"
        )

    def close(self) -> None:
        """End the connection."""
        if self.line is not None:
            self.line.close()


def under_way(builder: Builder, silence: int) -> BakeError:
    """The error for a recipe whose builder is at work, or waits, for somebody else."""
    if builder.kept_until is not None:
        return BakeError(
            f"builder {builder.id} of recipe {builder.recipe} waits in {builder.region} until"
            f" {builder.kept_until:%H:%M} UTC for whoever has its key, which is not here: its step failed elsewhere",
            hint="go on from there, wait, or end it now with `--fresh`",
        )
    ends = f"at {builder.expires_at:%H:%M} UTC" if builder.expires_at else "with its lifetime"
    return BakeError(
        f"builder {builder.id} of recipe {builder.recipe} is at work in {builder.region} since"
        f" {builder.launched_at:%H:%M} UTC: another bake is under way, or was killed",
        hint=f"wait for it; a builder whose baker was killed ends itself within {silence // 60 + 1} min, and {ends} at"
        " the latest; `--fresh` ends it now",
    )
