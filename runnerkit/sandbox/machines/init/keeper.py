"""Keeps one command: it, and whatever it started, ends with its own end or with the sandbox's."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from . import kernel
from .lifeline import LOST, described, tidy_up, watch
from .processes import Login, Processes

CANNOT_START = 66


async def keep(spec: dict[str, Any]) -> int:
    """Run the command to its end."""
    loop = asyncio.get_running_loop()
    lost: asyncio.Future[bool] = loop.create_future()
    watch(lambda died: None if lost.done() else lost.set_result(died))
    me = Login("", "", os.geteuid(), os.getegid())
    # With the marker in its environment it is found even if we are gone.
    environ = {**spec["environ"], "RUNNERKIT_MACHINE": spec["marker"]}
    try:
        process = Processes().start(spec["argv"], environ, me, cwd=Path(spec["cwd"]))
    except OSError as error:
        print(f"{spec['argv'][0]} cannot be started: {error}", flush=True)  # noqa: T201 - its output
        return CANNOT_START
    either: set[asyncio.Future[Any]] = {process.ended, lost}
    await asyncio.wait(either, return_when="FIRST_COMPLETED")
    kernel.kill_all(partial(kernel.below, os.getpid()))
    if lost.done():
        if lost.result():
            tidy_up(Path(spec["cwd"]), spec["parent"])
        return LOST
    ended = process.ended.result()
    return 128 + ended.signal if ended.signal else ended.code


def main() -> int:
    """Keep the command that standard input describes."""
    spec = described()
    if spec is None:
        return LOST
    return asyncio.run(keep(spec))


if __name__ == "__main__":
    sys.exit(main())
