"""Fleet: the one service behind the commands, the controller and the importable API.

Each pass observes, plans and applies; :mod:`runnerkit.plan` decides. Nothing is kept between passes but what AWS and
GitHub hold themselves.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.actions import Launch, Plan
from runnerkit.applying import Applier
from runnerkit.attention import Attention
from runnerkit.breakers import UNOBTAINABLE
from runnerkit.bursting import LEAST_AT_ONCE, Burster, Starter
from runnerkit.chronicle import Chronicle
from runnerkit.ending import ends
from runnerkit.errors import RunnerkitError
from runnerkit.events import ActionFailed, JobRefused, JobWaiting, LeftoverRemoved, PassEnded
from runnerkit.launching import Launcher
from runnerkit.looping import Loop
from runnerkit.observing import Observer
from runnerkit.passes import MachineStatus, Pass
from runnerkit.phases import Pair, Phase, join, phase
from runnerkit.plan import plan
from runnerkit.slots import LaunchRequest, SlotKeeper
from runnerkit.specs import resolve
from runnerkit.telling import Teller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runnerkit.applying import Outcome
    from runnerkit.handing import Papers
    from runnerkit.launching import Outside
    from runnerkit.model import Attempt, Leftover
    from runnerkit.names import Secret
    from runnerkit.ports import Machine, Reports
    from runnerkit.slots import Slot
    from runnerkit.understanding import Wishes
    from runnerkit.wishes import Policy, RunnerSpec


# How often one pass plans anew around wishes that cannot be had.
ROUNDS = 3


class Fleet:
    """Launches, watches and ends the machines of one installation.

    Args:
        outside: The ports: cloud, forge, clock, events, journal.
        policy: Bounds and deadlines.
        repos: The repositories served, as ``owner/name``; ``owner/*`` are all that we may see of an owner.
        owner: The installation; machines carry it in their tags.
        wishes: Named specs and the default.
        user_data: Renders what a machine boots from.
        workers: Actions carried out at once.
        reports: Where the authors of refused jobs are told so; None: nowhere.
        papers: Renders what the machines of a burst are told; None: every machine is launched by itself.

    Every method may raise the CloudError and ForgeError families.
    """

    def __init__(
        self,
        outside: Outside,
        *,
        policy: Policy,
        repos: Sequence[str],
        owner: str,
        wishes: Wishes,
        user_data: Callable[[Machine, Secret], bytes],
        workers: int = 8,
        reports: Reports | None = None,
        papers: Papers | None = None,
    ) -> None:
        outside = replace(outside, events=Chronicle(outside.events, outside.journal, outside.clock))
        self.policy = policy
        self.repos = tuple(repos)
        self._outside = outside
        self._wishes = wishes
        self._loop = Loop(outside.clock, outside.events)
        self._attention = Attention(self.repos, outside.forge)
        self._observer = Observer(outside, policy, owner, self._attention, wishes)
        self._teller = Teller(outside, reports)
        self._launcher = Launcher(outside, policy, owner, user_data)
        burster = Burster(outside, self._launcher.readier, papers, workers) if papers is not None else None
        starter = Starter(self._launcher, burster)
        self._applier = Applier(outside, starter, workers, burster)
        self._slots = SlotKeeper(outside, starter, policy, owner)

    # --- passes -------------------------------------------------------------------------------------------------------

    def preview(self) -> Pass:
        """Look and decide, but do nothing: what :meth:`once` would do."""
        return _sighted(self._decided())

    def once(self, *, tidy: bool = True) -> Pass:
        """One whole pass over the world: everything that is due ends, everything that is needed starts.

        With ``tidy`` it also removes what launches left behind, which takes a few reads more.

        When GitHub cannot be read about any repository, lifetimes are still enforced before that error is raised.
        """
        began = self._outside.clock.now()
        try:
            done = self._put_off(self._again(self._apply(self._decided(tell=True))))
            self._teller.tell(done.refused, done.served)
            if tidy:
                self._tidy()
            self._tell(done, (self._outside.clock.now() - began).total_seconds())
        finally:
            self._outside.journal.flush()
        return _sighted(done)

    def _again(self, done: Pass) -> Pass:
        """Plan once more for the jobs behind one whose wish could not be had: it must not keep their room."""
        asked = {demand.job.id for demand in done.demand}
        unclear = [waiting for waiting in done.plan.waiting if waiting.job.id not in asked]
        for _ in range(ROUNDS):
            if not any(outcome.error is not None and outcome.error.code in UNOBTAINABLE for outcome in done.outcomes):
                break
            look = self._observer.recall(done.observed)
            tried = {outcome.action.job_id for outcome in done.outcomes if isinstance(outcome.action, Launch)}
            decided = plan(look, done.demand, self.policy, look.at)
            launches = [a for a in decided.actions if isinstance(a, Launch) and a.job_id not in tried]
            outcomes = self._applier.apply(launches)
            done = replace(
                done,
                outcomes=(*done.outcomes, *outcomes),
                plan=Plan(tuple(each.action for each in (*done.outcomes, *outcomes)), (*decided.waiting, *unclear)),
            )
            if not launches:
                break
        return done

    def _put_off(self, done: Pass) -> Pass:
        """Say of launches that GitHub's pace has no room for when there will be some."""
        room = self._applier.pace.room_in(min(done.put_off, LEAST_AT_ONCE))
        return done.with_waiting(self._outside.clock.now() + timedelta(seconds=room)) if done.put_off else done

    def _tidy(self) -> None:
        """Remove what launches left behind; what cannot be looked up now is there the next time."""
        try:
            for leftover in self._outside.cloud.leftovers():
                self._remove(leftover)
        except RunnerkitError as error:
            self._outside.events.emit(ActionFailed("tidy", "", error))

    def run(
        self,
        interval: float = 30.0,
        *,
        passes: int | None = None,
        after: Callable[[Pass | RunnerkitError], None] = lambda _done: None,
    ) -> None:
        """Pass after pass, ``interval`` seconds apart or when woken, until ``passes`` are done or somebody stops it.

        A pass that fails is an event, and the next one is the retry: also while GitHub is limited or refuses, machines
        are held to their lifetimes. Only a first pass that can never succeed ends it. ``after`` hears of each pass.
        """
        self._loop.run(lambda tidy: self.once(tidy=tidy), interval, passes, after)

    def hint(self, repo: str) -> bool:
        """Something happened in a repository: :meth:`run` looks there at once. False when it is not served.

        Any thread may call this. A hint changes nothing but when the next pass begins.
        """
        served = self._attention.hint(repo)
        if served:
            self._loop.wake()
        return served

    def stop(self) -> None:
        """Let :meth:`run` end after the pass that is under way. Any thread may call this."""
        self._loop.stop()

    def sweep(self, *, dry_run: bool = False) -> tuple[Pass, tuple[Leftover, ...]]:
        """End what is due and remove what launches left behind, but start nothing."""
        decided = self._decided(queue=False)
        leftovers = tuple(self._outside.cloud.leftovers())
        if dry_run:
            return _sighted(decided), leftovers
        done = self._apply(decided)
        for leftover in leftovers:
            self._remove(leftover)
        return _sighted(done), leftovers

    def _remove(self, leftover: Leftover) -> None:
        try:
            self._outside.cloud.remove(leftover)
        except RunnerkitError as error:
            self._outside.events.emit(ActionFailed("remove", leftover.name, error))
        else:
            self._outside.events.emit(LeftoverRemoved(leftover.kind, leftover.id))

    def _decided(self, *, queue: bool = True, tell: bool = False) -> Pass:
        look = self._observer.look(queue=queue, tell=tell)
        decided = plan(look.observed, look.demand, self.policy, look.observed.at, look.recoveries)
        return Pass(
            look.observed,
            look.demand,
            look.refused,
            replace(decided, waiting=(*decided.waiting, *look.unclear)),
            blind=look.blind,
            unserved=look.unserved,
            active=look.active,
            recoveries=look.recoveries,
        )

    def _apply(self, decided: Pass) -> Pass:
        return replace(decided, outcomes=self._applier.apply(decided.plan.actions))

    def _tell(self, done: Pass, seconds: float) -> None:
        emit = self._outside.events.emit
        for refused in done.refused:
            emit(JobRefused(refused.job.id, refused.job.repo, refused.error))
        for waiting in done.plan.waiting:
            emit(JobWaiting(waiting.job.id, waiting.job.repo, waiting.why))
        live = sum(instance.live for instance in done.observed.instances)
        emit(PassEnded(len(done.demand), live, len(done.outcomes), len(done.failed), seconds))

    # --- machines on request ------------------------------------------------------------------------------------------

    def choose(self, spec: RunnerSpec, repo: str = "") -> tuple[Attempt, ...]:
        """The launch calls that would be made for a wish (of a repository), best first; nothing is started."""
        return self._launcher.chooser.choose(spec, repo)

    def request(self, label: str, repo: str, *, count: int = 1, run_id: int = 0, run_attempt: int = 1) -> LaunchRequest:
        """A wish for machines from a label, with the configuration's specs, defaults and policy applied.

        Raises:
            LabelError: The label cannot be understood.
            PolicyRefused: Policy forbids what it asks for.
        """
        wishes = self._wishes
        spec = resolve(labels.parse(label).spec, wishes.named, wishes.default, self.policy.of(repo))
        return LaunchRequest(repo, (label,), spec, run_id, run_attempt, count)

    def launch(self, request: LaunchRequest, *, told: Callable[[Slot], None] = lambda _slot: None) -> tuple[Slot, ...]:
        """Start as many machines as requested for a label, or adopt those that exist already.

        ``told`` hears of each as soon as it is there, so nothing is forgotten when a later one cannot be had.

        Raises:
            NotOffered, NoCapacity, LaunchRejected: A machine could not be had; those started before stay.
        """
        return self._slots.fill(request, told)

    def wait(self, slots: Iterable[Slot], *, told: Callable[[Slot], None] = lambda _slot: None) -> tuple[Slot, ...]:
        """Wait until every machine's runner is online; one that misses its deadline is replaced, within bounds.

        Raises:
            LeaseExpired: The replacements failed as well.
        """
        return tuple(self._slots.wait(slot, told) for slot in slots)

    def status(self) -> tuple[MachineStatus, ...]:
        """Every machine of the served repositories that is not over, by name."""
        return self.machines(_sighted(self._decided(queue=False)))

    def machines(self, seen: Pass) -> tuple[MachineStatus, ...]:
        """Every machine that is not over, by name, as one pass or preview saw them."""
        observed = seen.observed
        found = [MachineStatus(pair.name, phase(pair, self.policy, observed.at), pair) for pair in join(observed)]
        return tuple(sorted((m for m in found if m.phase is not Phase.ENDED), key=lambda m: m.name))

    def terminate(
        self, names: Sequence[str] | None = None, *, force: bool = False, registrations: bool = False
    ) -> tuple[Outcome, ...]:
        """End machines by runner name or instance id (None: all of them).

        GitHub is asked first: a machine that is running a job is spared, unless ``force``. With ``registrations``, a
        registration of such a name that has no machine ends, too.
        """
        if force:
            # The emergency stop must work when GitHub does not.
            live = [instance for instance in self._outside.cloud.instances() if instance.live]
            here = [instance for instance in live if not self.repos or self._attention.serves(instance.repo)]
            pairs = [Pair(instance, None) for instance in here]
        else:
            pairs = list(join(_sighted(self._decided(queue=False)).observed))
        return self._applier.apply(ends(pairs, names, force=force, registrations=registrations))


def _sighted(done: Pass) -> Pass:
    """A pass that saw something of GitHub; one that did not is no answer."""
    if done.blind is not None:
        raise done.blind
    return done
