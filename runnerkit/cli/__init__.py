"""The commands. They parse, call the service and render; no rule lives here.

Nothing heavy is imported before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with a documented exit code."""
    from runnerkit.cli.commands import app

    try:
        app()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
