"""The commands. They parse, call the service and render; no rule lives here.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from contextlib import suppress

# A command makes many objects while it imports and few afterwards: looking for garbage meanwhile finds none.
OBJECTS_BETWEEN_COLLECTIONS = 100_000
# What a disk without room says, and a terminal that is gone.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


def main() -> None:
    """Run the command line and end the process with a documented exit code."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    from runnerkit.cli.commands import app

    try:
        app()
    except SystemExit as ended:
        _leave(ended.code)
    except KeyboardInterrupt:
        _tell("interrupted")
        _leave(130)
    except OSError as error:
        # Writing to a stream names no file; whatever else fails is told where it happens.
        if error.errno not in FULL or error.filename is not None:
            raise
        _tell(f"error: the output cannot be written: {error.strerror}")
        _leave(1)


def _tell(line: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{line}\n")


def _leave(code: object) -> None:
    """End at once: taking every module apart again would take a third of a second and change nothing."""
    if isinstance(code, str):
        _tell(code)
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        os._exit(1)
    os._exit(code if isinstance(code, int) else int(code is not None))
