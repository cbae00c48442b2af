"""The local GitHub's web pages: what its API says, made to be looked at."""

from runnerkit.sandbox.github.web.actions import Actions
from runnerkit.sandbox.github.web.pages import Pages

__all__ = ["Actions", "Pages"]
