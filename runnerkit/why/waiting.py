"""Why a job does not run yet: the first rule of the tables that holds. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.actions import Holds
from runnerkit.errors import LabelError
from runnerkit.phases import phase
from runnerkit.why.answers import Finding, Next, Verdict
from runnerkit.why.cases import limit, said
from runnerkit.why.failures import tried
from runnerkit.why.words import clock, relative, span

if TYPE_CHECKING:
    from runnerkit.phases import Pair
    from runnerkit.why.cases import Case
    from runnerkit.why.failures import Tried

# A controller looks more often than this; a job that none has noted for so long has not been seen.
UNSEEN_AFTER = timedelta(minutes=10)
SELF_HOSTED = "self-hosted"

# --- before the queue -------------------------------------------------------------------------------------------------


def _gated(case: Case) -> Finding | None:
    if case.job.status != "waiting":
        return None
    page = f" on {case.job.url}" if case.job.url else ""
    text = f"{case.name} waits for its environment: a person's approval, a wait timer or another rule"
    return Finding(Verdict.GATED, text, (Next(f"somebody approves it{page}; only then is it queued"),))


def _held(case: Case) -> Finding:
    text = (
        f"{case.name} is {case.job.status}: GitHub holds it back (concurrency group, max-parallel, or a job it needs)"
    )
    return Finding(Verdict.HELD, text, (Next("GitHub queues it; a machine is launched after that, not before"),))


# --- queued -----------------------------------------------------------------------------------------------------------


def _not_ours(case: Case) -> Finding | None:
    if case.is_ours or case.evidence.refused(case.job.id) or labels.misspelt(case.job.labels):
        return None
    if SELF_HOSTED not in {label.lower() for label in case.job.labels}:
        text = f"{case.name} asks for {case.labels}: a runner of GitHub's own, or of somebody else's"
        return Finding(Verdict.HOSTED, text, (Next("GitHub starts it; runnerkit has no part in it"),))
    if case.evidence.is_unserved(case.job.id):
        text = f"nobody serves {case.name}: no registered runner has all of its labels ({case.labels})"
        fix = f"write `runs-on: {labels.WORD}=${{{{ github.run_id }}}}/...`, or register such a runner"
        return Finding(Verdict.NOBODY, text, (Next(fix), *limit(case)))
    text = f"{case.name} asks for {case.labels}, which is not ours; somebody else's runner may take it"
    return Finding(Verdict.SOMEBODY, text, limit(case))


def _not_served(case: Case) -> Finding | None:
    if case.evidence.served is not False:
        return None
    text = f"{case.name} waits, but {case.job.repo} is not served by this configuration"
    return Finding(Verdict.NOT_SERVED, text, (Next("add it to repositories under [github]"), *limit(case)))


def _refused(case: Case) -> Finding | None:
    refused = case.evidence.refused(case.job.id)
    if refused is None:
        return _unreadable(case)
    hint = (Next(refused.error.hint),) if refused.error.hint else ()
    text = f"{case.name} ({case.labels}) is refused: {refused.error.message}"
    told = any(note.kind == "refusal-told" for note in case.evidence.notes_of(case.job.id))
    author = (Next("its author was told so at GitHub"),) if told else ()
    return Finding(Verdict.REFUSED, text, (*hint, *author, *limit(case)))


def _unreadable(case: Case) -> Finding | None:
    """Known without a pass, too: the label cannot be understood."""
    try:
        labels.read(case.job.labels, arrays=case.evidence.arrays)
    except LabelError as error:
        hint = (Next(error.hint),) if error.hint else ()
        return Finding(Verdict.REFUSED, f"{case.name} is refused: {error.message}", (*hint, *limit(case)))
    slip = labels.misspelt(case.job.labels)
    if slip is None or case.is_ours:
        return None
    text = f"{case.name} is nobody's: label {slip!r} is probably meant for {labels.WORD}, and not spelt so"
    return Finding(Verdict.REFUSED, text, limit(case))


def _coming(case: Case) -> Finding | None:
    machines = case.evidence.capacity(case.job, case.now)
    waiting = case.evidence.waiting(case.job.id)
    # A machine with the same label may be meant for a sibling that is served first.
    if not machines or case.evidence.launch(case.job.id) or (waiting and waiting.holds is not Holds.MACHINE):
        return None
    names = case.evidence.names_for(case.job)
    pair = min(machines, key=lambda each: (each.name.lower() not in names, each.name))
    text = f"{case.name} waits for {pair.name}, which {_is(pair, case)}{said(tried(case.job, case.evidence))}"
    return Finding(Verdict.COMING, text, (*_lease(pair), *limit(case)))


def _is(pair: Pair, case: Case) -> str:
    instance = pair.instance
    where = phase(pair, case.evidence.policy, case.now)
    if instance is None:
        return f"is {where}; EC2 does not show its instance yet"
    machine = f"{instance.type} in {instance.zone}, {instance.market}"
    return f"is {where} ({instance.id}, {machine}, launched {relative(instance.launched_at, case.now)})"


def _lease(pair: Pair) -> tuple[Next, ...]:
    if pair.runner is not None and pair.runner.online:
        return (Next("GitHub gives the job to it"),)
    deadline = pair.instance.online_by if pair.instance else None
    return (Next("its runner must be online, or another machine is launched", deadline),)


def _waits(case: Case) -> Finding | None:
    waiting = case.evidence.waiting(case.job.id)
    if waiting is None:
        return None
    past = tried(case.job, case.evidence)
    if waiting.holds is Holds.TRIES:
        return _spent(case, waiting.why, past)
    # Of a cap or a budget an earlier trouble is not the reason.
    why = (past.trouble if waiting.holds is Holds.PAUSE else "") or waiting.why
    until = clock(waiting.until, case.now) if waiting.until else ""
    when = f", next try {until}" if until and until not in why else ""
    text = f"{case.name} waits: {why}{f'; {past.count}' if past.tries else ''}{when}"
    plan = Next(waiting.why, waiting.until) if waiting.until else Next("the next pass decides again")
    return Finding(Verdict.WAITS, text, (plan, *limit(case)))


def _spent(case: Case, why: str, past: Tried) -> Finding:
    """Nothing happens by itself any more: what to look at, and what to type."""
    text = f"{case.name} gets no further machine: {why}{f'; {past.trouble}' if past.trouble else ''}"
    named = case.evidence.instances_named(case.evidence.names_for(case.job))
    look = [Next(f"the console of the last one may say why: `runnerkit logs {named[-1].id}`")] if named else []
    again = f"`gh run cancel {case.job.run_id} -R {case.job.repo}`, then `gh run rerun` of the same"
    return Finding(Verdict.WAITS, text, (*look, Next(f"once that is mended: {again}"), *limit(case)))


def _launching(case: Case) -> Finding | None:
    launch = case.evidence.launch(case.job.id)
    if launch is None:
        return None
    past = tried(case.job, case.evidence)
    plan = Next(f"the next pass of a controller launches {launch.name}")
    seen = any(note.kind.startswith("job-") for note in case.evidence.notes_of(case.job.id)) or past.tries
    if seen or case.now < case.job.created_at + UNSEEN_AFTER:
        pause = launch.spot_paused
        how = f" on demand, spot pauses until {clock(pause.until, case.now)}" if pause else ""
        text = f"{case.name} waits for the next pass, which launches {launch.name}{how}{said(past)}"
        return Finding(Verdict.LAUNCHING, text, (plan, *_silence(case), *limit(case)))
    text = f"{case.name} waits {span((case.now - case.job.created_at).total_seconds())}, and no controller has seen it"
    start = Next("run `runnerkit serve`, or `runnerkit once`; this journal knows of no pass since it was queued")
    return Finding(Verdict.UNSEEN, text, (start, plan, *limit(case)))


def _silence(case: Case) -> tuple[Next, ...]:
    """A job that the next pass would serve, of which nothing has been noted for long: is there a next pass?"""
    evidence = case.evidence
    notes = [*evidence.notes_of(case.job.id), *evidence.notes_about(evidence.names_for(case.job))]
    last = max((note.at for note in notes), default=case.now)
    if case.now < last + UNSEEN_AFTER:
        return ()
    told = f"the journal tells nothing of it since {clock(last, case.now)}"
    return (Next(f"{told}: if it goes on waiting, look whether a controller still runs (`runnerkit serve` or `once`)"),)


def _queued(case: Case) -> Finding:
    text = f"{case.name} is queued since {clock(case.job.created_at, case.now)}; what a pass would do is not known"
    return Finding(Verdict.WAITS, f"{text}{said(tried(case.job, case.evidence))}", limit(case))


BEFORE_THE_QUEUE = (_gated, _held)
QUEUED = (_not_ours, _not_served, _refused, _coming, _waits, _launching, _queued)
