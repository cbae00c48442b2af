"""A stand-in for GitHub's runner: the same files, command line, signals and exit codes; act runs the steps."""

from __future__ import annotations

from runnerkit.sandbox.standin.installing import VERSION, install, tidy_up

__all__ = ["VERSION", "install", "tidy_up"]
