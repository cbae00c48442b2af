"""What ties a supervisor to the sandbox: a pipe on standard input.

Its first line says what to do, a second one that it is over. An end without that means that the sandbox has died.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING, Any

from . import folders, kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOST = 65
STDIN = 0
BLOCK = 65_536
# Seconds.
DYING = 2.0
LOOK_AGAIN = 0.02


def described() -> dict[str, Any] | None:
    """What the sandbox wants of this supervisor; None when the sandbox is gone already."""
    # A handler, for a signal that is ignored would stay ignored in what we start. Ctrl-C is the sandbox's to handle.
    signal.signal(signal.SIGINT, lambda *_: None)
    # No more than the first line: when the second one is there already, it is for whoever watches.
    line = FileIO(STDIN, closefd=False).readline()
    if not line.endswith(b"\n"):
        return None
    spec: dict[str, Any] = json.loads(line)
    if not kernel.stand_alone(spec["parent"]):
        return None
    kernel.watched_over()
    return spec


def watch(over: Callable[[bool], None]) -> None:
    """Hear that it is over; ``over`` learns whether the sandbox has died."""
    loop = asyncio.get_running_loop()

    def told() -> None:
        died = not os.read(STDIN, BLOCK)
        loop.remove_reader(STDIN)
        over(died)

    loop.add_reader(STDIN, told)
    # Sent by the kernel; the pipe's other end may live on in a process that the sandbox had forked.
    loop.add_signal_handler(signal.SIGTERM, over, True)  # noqa: FBT003 - a callback's argument


def tidy_up(folder: Path, sandbox: int) -> None:
    """When the sandbox has died nobody else will. Within the loop: after it SIGTERM would end us half-way."""
    # Threads die one by one: the one that started us, whose end we heard of, may be long gone before the last.
    until = time.monotonic() + DYING
    while kernel.lives(sandbox):
        if time.monotonic() > until:
            return
        time.sleep(LOOK_AGAIN)
    folders.remove(folder)
    with suppress(OSError):
        folder.parent.rmdir()
