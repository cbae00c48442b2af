"""What a wish can get just now: the market, the wish's conditions, and the refusals of the last minutes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import NoCapacity, NotOffered, PolicyRefused, RunnerkitError
from runnerkit.model import Market
from runnerkit.offerings import attempts, is_allowed, matching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runnerkit.model import Attempt, Offering, Refusal
    from runnerkit.ports import Clock, Cloud, Journal, Launched
    from runnerkit.wishes import Policy, RunnerSpec


@dataclass(frozen=True, slots=True)
class Chooser:
    """Looks at the market for a wish; starts nothing."""

    cloud: Cloud
    journal: Journal
    clock: Clock
    policy: Policy

    def fitting(self, spec: RunnerSpec, repo: str = "") -> list[Offering]:
        """Every offering that fulfils the wish and that policy lets the repository have, cheapest first.

        Raises:
            NotOffered: Nothing does.
            PolicyRefused: Policy leaves out everything that does.
        """
        there, policy = self.cloud.offerings(spec), self.policy.of(repo)
        allowed = [offering for offering in there if is_allowed(offering, policy)]
        try:
            return matching(spec, allowed)
        except NotOffered:
            # Nothing fits at all, or only what policy leaves out: that is another answer.
            matching(spec, there)
            bounds = {key: getattr(policy, key) for key in ("gpus", "types", "regions")}
            said = "; ".join(f"{key} = {', '.join(values)}" for key, values in bounds.items() if values)
            raise PolicyRefused(
                "policy allows none of the types that fulfil the wish", hint=f"policy: {said}"
            ) from None

    def refusals(self) -> Sequence[Refusal]:
        """The refusals that are still remembered."""
        since = self.clock.now() - timedelta(seconds=self.policy.refusal_memory)
        # Not that moment itself: the pause between two searches is as long, and the second must not meet the first's.
        return [refusal for refusal in self.journal.refusals(since) if refusal.at > since]

    def choose(self, spec: RunnerSpec, repo: str = "") -> tuple[Attempt, ...]:
        """The launch calls that would be made for a wish of a repository, in order.

        Raises:
            NotOffered: Nothing fulfils the wish.
            NoCapacity: All that fulfils it was refused within the last minutes.
        """
        fitting, refusals = self.fitting(spec, repo), self.refusals()
        chosen = attempts(spec, fitting, refusals, self._regions(spec))
        if not chosen:
            raise NoCapacity(
                f"all {len(fitting)} offerings that fulfil the wish were refused in the last "
                f"{self.policy.refusal_memory} seconds",
                refusals=refusals,
                hint="wait some minutes, or widen the wish: more GPU models, zones, regions, or spot=prefer",
            )
        return chosen

    def _regions(self, spec: RunnerSpec) -> Sequence[str]:
        """The regions in the order in which they are configured: that in which the cloud lists them."""
        return list(dict.fromkeys(offering.region for offering in self.cloud.offerings(spec)))

    def on_demand(self, spec: RunnerSpec, launched: Launched) -> float | None:
        """What the machine that was had costs on demand, dollars an hour; None when nobody can tell."""
        with suppress(RunnerkitError):
            for offering in self.cloud.offerings(spec):
                same = offering.type.name == launched.type and offering.region == launched.region
                if same and offering.market is Market.ON_DEMAND:
                    return offering.price
        return None
