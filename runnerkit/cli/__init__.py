"""The commands. They parse, call the service and render; no rule lives here.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys

# A command makes many objects while it imports and few afterwards: looking for garbage meanwhile finds none.
OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> None:
    """Run the command line and end the process with a documented exit code."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 20)
    from runnerkit.cli.commands import app

    try:
        app()
    except SystemExit as ended:
        _leave(ended.code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        _leave(130)


def _leave(code: object) -> None:
    """End at once: taking every module apart again would take a third of a second and change nothing."""
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        os._exit(1)
    os._exit(code if isinstance(code, int) else int(code is not None))
