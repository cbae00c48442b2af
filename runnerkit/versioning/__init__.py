"""Versions and stages of models: git tags, read and written by GTO, and shared through the git remote."""

from runnerkit.versioning.registry import Entry, Registry, Version

__all__ = ["Entry", "Registry", "Version"]
