"""The sandbox as benchmarks use it: primed, and as slow to answer as the real services."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from processes import Took, clean_environment, runnerkit, took

from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

FAST_BOOT = 0.1


class World:
    """A sandbox and our commands against it, each in a process of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.environment = {**clean_environment(), **sandbox.environment()}
        self._launched = 0

    def run(self, *words: str) -> Took:
        """Run one of our commands."""
        return took(runnerkit(*words), self.environment, folder=self.sandbox.folder)

    def launch(self, *more: str) -> Took:
        """Launch a machine under a label that was not used before."""
        self._launched += 1
        return self.run("launch", "--runs-on", f"runnerkit={self._launched}/gpu=t4", *more)

    def ec2_calls(self) -> list[str]:
        """The actions that reached EC2 so far, in order."""
        return self.sandbox.ec2.calls.actions()

    def forget(self) -> None:
        """Empty the cache between processes."""
        for kept in (self.sandbox.folder / "cache").glob("*"):
            kept.unlink()


@contextmanager
def world() -> Iterator[World]:
    """A sandbox in which one machine was launched, so that the security group exists and every cache is warm."""
    with Sandbox(boot=FAST_BOOT, machines="hollow") as sandbox:
        there = World(sandbox)
        there.launch("--wait")
        yield there
        if sandbox.github.violations:
            raise RuntimeError("; ".join(sandbox.github.violations))
