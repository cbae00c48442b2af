"""Which repositories a pass looks at: named ones always, those of an owner when something is going on there.

An organisation may have hundreds of repositories, and each look costs three requests. So those that nothing is known
of take turns, and each of them is looked at within :data:`TURN`, whatever was lost.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from runnerkit.ports import Forge

# Everything is looked at within this time, and a repository stays watched for so long after something happened there.
TURN = timedelta(minutes=10)
LIST_FRESH = timedelta(minutes=10)
EVERYTHING = "/*"


class Attention:
    """Decides where to look.

    Args:
        served: Repositories as ``owner/name``, and owners as ``owner/*``.
    """

    def __init__(self, served: Sequence[str], forge: Forge) -> None:
        self._named = tuple(each for each in served if not each.endswith(EVERYTHING))
        self._owners = tuple(each.removesuffix(EVERYTHING) for each in served if each.endswith(EVERYTHING))
        self._forge = forge
        self._lock = threading.Lock()
        self._listed: dict[str, tuple[datetime, tuple[str, ...]]] = {}
        self._hinted: dict[str, tuple[str, datetime | None]] = {}
        self._looked: dict[str, datetime] = {}
        self.unlisted: tuple[tuple[str, ForgeError], ...] = ()

    def hint(self, repo: str) -> bool:
        """Something happened in a repository: look there soon. False when it is not served."""
        if not self.serves(repo):
            return False
        with self._lock:
            self._hinted[repo.lower()] = repo, None
        return True

    def serves(self, repo: str) -> bool:
        """Whether a repository is served, as far as its name tells."""
        name = repo.lower()
        of_owner = any(name.startswith(f"{owner.lower()}/") for owner in self._owners)
        return of_owner or name in {each.lower() for each in self._named}

    def repositories(self, now: datetime, busy: Collection[str]) -> tuple[str, ...]:
        """Where to look now: named, hinted at lately, with machines (``busy``), and some of the others in turn.

        An owner whose repositories cannot be listed now is in ``unlisted``, with the reason; the others are served.
        """
        if not self._owners:
            return self._named
        # A new repository, or one that was archived while a machine of it runs, is in no list.
        lately = self._lately(now)
        there = self._all(now, [*lately.values(), *(repo for repo in busy if self.serves(repo))])
        wanted = {repo.lower() for repo in (*self._named, *busy)} | set(lately)
        turn = self._in_turn([repo for repo in there if repo.lower() not in wanted], now)
        chosen = tuple(repo for repo in there if repo.lower() in wanted or repo in turn)
        for repo in chosen:
            self._looked[repo.lower()] = now
        return chosen

    def _all(self, now: datetime, besides: Sequence[str]) -> tuple[str, ...]:
        listed = {repo.lower(): repo for repo in self._named}
        unlisted = []
        for owner in self._owners:
            try:
                found = self._of(owner, now)
            except ForgeError as error:
                unlisted.append((owner + EVERYTHING, error))
                continue
            for repo in found:
                listed.setdefault(repo.lower(), repo)
        for repo in besides:
            listed.setdefault(repo.lower(), repo)
        self.unlisted = tuple(unlisted)
        return tuple(listed.values())

    def _of(self, owner: str, now: datetime) -> tuple[str, ...]:
        known = self._listed.get(owner)
        if known is not None and now < known[0] + LIST_FRESH:
            return known[1]
        try:
            found = tuple(self._forge.repositories(owner))
        except ForgeError:
            if known is None:
                raise
            return known[1]
        self._listed[owner] = now, found
        return found

    def _lately(self, now: datetime) -> dict[str, str]:
        """Those with a hint, by their names in lower case; its time counts from the first pass that sees it."""
        with self._lock:
            fresh = {key: (repo, at or now) for key, (repo, at) in self._hinted.items()}
            self._hinted = {key: (repo, at) for key, (repo, at) in fresh.items() if now < at + TURN}
            return {key: repo for key, (repo, _at) in self._hinted.items()}

    def _in_turn(self, others: Sequence[str], now: datetime) -> set[str]:
        """Those whose last look is longest ago: as many as it takes to come round within the turn, at a pass a minute.

        What was never looked at comes first, and all of it: after a start nothing may wait for its turn.
        """
        never = [repo for repo in others if repo.lower() not in self._looked]
        due = [repo for repo in others if repo.lower() in self._looked and now >= self._looked[repo.lower()] + TURN]
        share = -(-len(others) // int(TURN / timedelta(minutes=1)))
        oldest = sorted(due, key=lambda repo: self._looked[repo.lower()])
        soon = sorted(set(others) - set(never) - set(due), key=lambda repo: (self._looked[repo.lower()], repo))
        aged = [repo for repo in soon if now >= self._looked[repo.lower()] + timedelta(minutes=1)]
        return {*never, *oldest, *aged[: max(0, share - len(oldest))]}
