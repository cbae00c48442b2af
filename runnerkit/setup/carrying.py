"""Looking at an account, and carrying a plan out, thing by thing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runnerkit.errors import CloudUnavailable, ConfigError
from runnerkit.setup import plan
from runnerkit.setup.plan import WORK, Do, Step
from runnerkit.setup.table import resources
from runnerkit.setup.words import Kind, Wanted, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runnerkit.setup.ports import Account
    from runnerkit.setup.words import Found, Resource

_PAST = {Do.MAKE: "made", Do.CHANGE: "changed", Do.REMOVE: "removed"}
_EVERYTHING_FOR = "owner/name"


class Setup:
    """One installation's set-up in one account.

    Args:
        account: The account.
        wanted: What is wanted.
        say: Hears what was done.
    """

    def __init__(self, account: Account, wanted: Wanted, say: Callable[[str], None]) -> None:
        self._account = account
        self._wanted = wanted
        self._say = say

    def where(self, *, vpcs: bool = True) -> Where:
        """The account and its places; a VPC for each region in which a group is wanted, unless nobody asks for them."""
        who = self._account.identity()
        regions = tuple(self._account.regions())
        wanted = regions if vpcs and self._wanted.groups else ()
        return Where(who.account, who.partition, regions, {region: self._account.vpc(region) for region in wanted})

    def plan(self, where: Where) -> tuple[Step, ...]:
        """What is to be done so that everything wanted is there, and what else of ours there is."""
        wanted = resources(self._wanted, where)
        steps = plan.planned(wanted, self._found(wanted), self._wanted.owner)
        names = {(each.kind, each.name, each.region) for each in wanted}
        others = [each for each in everything(self._wanted, where) if (each.kind, each.name, each.region) not in names]
        return (*steps, *plan.unasked(others, self._found(others), wanted, self._wanted.owner))

    def removal(self, where: Where) -> tuple[Step, ...]:
        """What is to be done so that nothing of ours is left.

        Raises:
            ConfigError: Machines of the owner are not terminated.
        """
        owner = self._wanted.owner
        if machines := self._account.machines(owner, where.regions):
            raise ConfigError(
                f"{len(machines)} machines of {owner} are there: {', '.join(machines[:5])}",
                hint="`runnerkit terminate` ends them, `runnerkit sweep` what was left of them; then try again",
            )
        every = (*self._groups(where), *everything(self._wanted, replace(where, vpcs={})))
        found = self._found(every)
        return plan.removal(every, found, owner, self._users(every, found))

    def _users(self, every: Sequence[Resource], found: Mapping[str, Found | None]) -> Mapping[str, Sequence[str]]:
        """Who uses what is ours; what stays for that uses others of ours, which then stay as well."""
        owner, users = self._wanted.owner, {}
        there = [(each, is_there) for each in every if (is_there := found[each.key]) and plan.is_ours(is_there, owner)]
        going = [each.name for each, _ in there]
        for each, is_there in reversed(there):
            users[each.key] = self._account.users(each, is_there, going)
            if users[each.key] or is_there.extras:
                going = [name for name in going if name != each.name]
        return users

    def _groups(self, where: Where) -> list[Resource]:
        """Our groups wherever they are: the configuration may have said otherwise when they were made."""
        wanted = Wanted(self._wanted.owner, deadman=False)
        found = [
            each
            for region in where.regions
            for vpc in self._account.vpcs(region, wanted.group)
            for each in resources(wanted, replace(where, regions=(region,), vpcs={region: vpc}))
            if each.kind is Kind.GROUP
        ]
        return [replace(each, key=f"{each.key}{number or ''}") for number, each in enumerate(found)]

    def carry_out(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Do what is to be done; the steps that were.

        Raises:
            RunnerkitError: A step failed. What was done before stays, and the next time goes on from there.
        """
        done = [step for step in steps if step.do in WORK]
        for step in done:
            self._carry_out(step)
            self._say(f"{_PAST[step.do]} the {step.resource.spoken}")
        return done

    def _carry_out(self, step: Step) -> None:
        if step.found is None:
            if not self._account.make(step.resource):
                self._adopt(step.resource)
        elif step.do is Do.CHANGE:
            self._account.mend(step.resource, step.found)
        else:
            self._account.remove(step.resource, step.found)

    def _adopt(self, resource: Resource) -> None:
        """What was there when it should be made: most likely made by this very call, whose answer was lost."""
        again = plan.planned([resource], {resource.key: self._account.look(resource)}, self._wanted.owner)[0]
        if again.do is Do.CHANGE and again.found is not None:
            self._account.mend(resource, again.found)
        elif again.do is not Do.KEEP:
            raise CloudUnavailable(
                f"the {resource.spoken} came to be meanwhile: {again.why}", hint="look at it and try again"
            )

    def _found(self, wanted: Sequence[Resource]) -> Mapping[str, Found | None]:
        return {each.key: self._account.look(each) for each in wanted}


def everything(wanted: Wanted, where: Where) -> tuple[Resource, ...]:
    """All that could ever be made for an owner; what it is to be like is made up, its names are not."""
    # As small as can be: a policy that is too large must not keep anything from being found.
    full = replace(
        wanted, repos=(_EVERYTHING_FOR,), environments=(), branches=(), topics=(), topic="", journal="",
        bake=False, batch=False, connect=False, burst=True, data="bucket/data", profile=True, budget=1.0, deadman=True,
    )  # fmt: skip
    first = resources(full, where)
    # The switch is in the first region of the configuration, which may have been another one.
    moved = [
        replace(each, key=f"{each.key}In{number}", needs=())
        for number, region in enumerate(where.regions[1:])
        for each in resources(full, replace(where, regions=(region,), vpcs={}))
        if each.region == region and each.kind in {Kind.FUNCTION, Kind.LOG, Kind.RULE, Kind.PERMISSION}
    ]
    return (*first, *moved)
