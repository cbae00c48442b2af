"""actions/cache: there is no cache service, and it says so instead of pretending a hit."""

from __future__ import annotations

from .toolkit import Failed, flag, given, output, say


def restore() -> None:
    """Miss."""
    keys = [given("key"), *given("restore-keys").split()]
    say(f"Cache not found for input keys: {', '.join(each for each in keys if each)} (the sandbox keeps no cache)")
    output("cache-hit", "")
    output("cache-matched-key", "")
    output("cache-primary-key", given("key"))
    if flag("fail-on-cache-miss"):
        raise Failed(f"Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {given('key')}")


def save() -> None:
    """Do not save."""
    say(f"Cache not saved with key: {given('key')} (the sandbox keeps no cache)")
