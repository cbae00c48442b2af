"""Where a job is, and what comes next: the first rule of the tables that holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit import labels
from runnerkit.errors import LabelError
from runnerkit.phases import phase
from runnerkit.recovery import Reason, Recovery, launched_by_hand
from runnerkit.why.answers import Finding, Next, Verdict
from runnerkit.why.failures import tried
from runnerkit.why.words import clock, relative, span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from runnerkit.model import Job
    from runnerkit.phases import Pair
    from runnerkit.why.evidence import Evidence

# Source: GitHub ends a job that waited for a runner for 24 hours.
QUEUE_LIMIT = timedelta(hours=24)
NEARLY = timedelta(minutes=10)
# A controller looks at least this often; a job that none has noted for so long has not been seen.
UNSEEN_AFTER = timedelta(minutes=10)
SELF_HOSTED = "self-hosted"


@dataclass(frozen=True, slots=True)
class Case:
    """A job and everything that is known."""

    job: Job
    evidence: Evidence
    now: datetime

    @property
    def name(self) -> str:
        """How the job is called in sentences."""
        return f"job {self.job.id}"

    @property
    def labels(self) -> str:
        """Its labels, for people."""
        return ", ".join(self.job.labels) or "no label"

    @property
    def is_ours(self) -> bool:
        """Whether it asks for us, be it in words that cannot be understood."""
        try:
            return labels.read(self.job.labels, arrays=self.evidence.arrays) is not None
        except LabelError:
            return True

    @property
    def machine(self) -> str:
        """What it ran on, and whose machine that was."""
        runner = self.job.runner_name or "no machine"
        own = self.evidence.names_for(self.job)
        if not self.is_ours or launched_by_hand(runner) or runner.lower() in own or not self.job.runner_name:
            return runner
        return f"{runner}, a machine that was launched for another job{self.own(own)}"

    def own(self, names: frozenset[str]) -> str:
        """What became of the machine that was launched for this job, where a sibling's served it."""
        for name in sorted(names, reverse=True):
            taker = self.evidence.taker(name)
            if taker is not None and taker != self.job.id:
                return f" (its own, {name}, took job {taker})"
            if any(instance.live for instance in self.evidence.instances_named({name})):
                return f" (its own, {name}, is still there)"
        return f" (its own, {sorted(names)[-1]}, has ended)" if names else ""


Rule = "Callable[[Case], Finding | None]"


def find(job: Job, evidence: Evidence, now: datetime) -> Finding:
    """The verdict about a job."""
    case = Case(job, evidence, now)
    rules = RULES.get(job.status, HELD)
    return next(finding for rule in rules if (finding := rule(case)) is not None)


# --- over -------------------------------------------------------------------------------------------------------------


def _skipped(case: Case) -> Finding | None:
    if case.job.conclusion != "skipped":
        return None
    text = "was skipped: its `if` says no, or a job that it needs did not succeed"
    return Finding(Verdict.SKIPPED, f"{case.name} {text}")


def _done(case: Case) -> Finding | None:
    if case.job.conclusion not in {"success", "neutral"}:
        return None
    return Finding(Verdict.DONE, f"{case.name} ended with {case.job.conclusion}{_took(case.job)} on {case.machine}")


def _given_up(case: Case) -> Finding | None:
    job = case.job
    waited = job.completed_at - job.created_at if job.completed_at else timedelta(0)
    if job.runner_name or waited < QUEUE_LIMIT - NEARLY:
        return None
    text = f"{case.name} waited {span(waited.total_seconds())} for a runner, and GitHub gives up after 24 hours"
    return Finding(Verdict.GIVEN_UP, f"{text}{_said(tried(case.job, case.evidence))}", (_again(case),))


def _interrupted(case: Case) -> Finding | None:
    if not case.evidence.is_interrupted(case.job):
        return None
    text = f"AWS took back {case.job.runner_name or 'its machine'} while {case.name} ran"
    return Finding(Verdict.INTERRUPTED, f"{text}; it ended as {case.job.conclusion}{_took(case.job)}", recovery(case))


def _cancelled(case: Case) -> Finding | None:
    if case.job.conclusion != "cancelled":
        return None
    hit = [job.id for job in case.evidence.jobs if _same_run(job, case.job) and case.evidence.is_interrupted(job)]
    if hit:
        text = f"{case.name} was cancelled with job {hit[0]} of the same run, whose machine AWS took back"
        return Finding(Verdict.CANCELLED, text, recovery(case))
    where = f" on {case.machine}" if case.job.runner_name else " before any machine took it"
    who = "by a person, by fail-fast or by its concurrency group"
    return Finding(Verdict.CANCELLED, f"{case.name} was cancelled{where}: {who}", (_again(case),))


def _failed(case: Case) -> Finding:
    where = f" on {case.machine}" if case.job.runner_name else ", and no runner had it"
    text = f"{case.name} ended with {case.job.conclusion}{_took(case.job)}{where}; AWS did not take the machine"
    page = Next(f"its log says why: {case.job.url}") if case.job.url else Next("its log at GitHub says why")
    return Finding(Verdict.FAILED, text, (page, Next("it is not run again: only what AWS interrupts is")))


def _took(job: Job) -> str:
    if not (job.started_at and job.completed_at and job.runner_name):
        return ""
    return f" after {span((job.completed_at - job.started_at).total_seconds())}"


def _same_run(job: Job, other: Job) -> bool:
    return job.run_id == other.run_id and job.repo.lower() == other.repo.lower()


def _again(case: Case) -> Next:
    return Next(f"nothing, until somebody runs it again: `gh run rerun --job {case.job.id} -R {case.job.repo}`")


def recovery(case: Case) -> tuple[Next, ...]:
    """What becomes of a run that AWS interrupted."""
    job, evidence = case.job, case.evidence
    again = [each for each in evidence.jobs if _same_run(each, job) and each.run_attempt > job.run_attempt]
    same = [each for each in again if each.name == job.name]
    if same:
        return (Next(f"it runs again already: job {same[0].id} (attempt {same[0].run_attempt}, {same[0].status})"),)
    run = evidence.runs.get(job.run_id)
    if run is not None and run.attempt > job.run_attempt:
        return (Next(f"run {run.id} goes on already, as attempt {run.attempt}"),)
    decided = evidence.recoveries.get(job.run_id)
    if isinstance(decided, Recovery):
        return _will_recover(decided)
    if run is not None and run.status != "completed":
        left = sum(each.status != "completed" for each in evidence.jobs if _same_run(each, job))
        text = f"the run goes on when it is over, GitHub refuses that before; {left} of its jobs are not over yet"
        return (Next(text),)
    if isinstance(decided, Reason):
        return (Next(f"it is not run again: {decided.text}"),)
    return (Next("whether it runs again could not be found out"),)


def _will_recover(decided: Recovery) -> tuple[Next, ...]:
    what = f"job {decided.job.id} alone" if decided.job else "its failed jobs"
    count = sum(wanted.count for wanted in decided.machines)
    first = f"launches {count} machine{'s' if count > 1 else ''} first, then " if count else ""
    controller = f"the next pass of a controller {first}runs {what} again, as attempt {decided.attempt}"
    return Next(controller), Next(f"without a controller: `runnerkit resume {decided.run.id} -R {decided.run.repo}`")


# --- under way --------------------------------------------------------------------------------------------------------


def _runs(case: Case) -> Finding:
    job = case.job
    since = f" since {clock(job.started_at, case.now)}" if job.started_at else ""
    there = [each for each in case.evidence.instances_named({(job.runner_name or "").lower()}) if each.live]
    if not there and (job.runner_name or "").lower() in case.evidence.lost():
        text = f"AWS took back {job.runner_name} while {case.name} ran"
        late = Next("GitHub notices within 10 minutes, then the job fails; the run goes on once it is over")
        return Finding(Verdict.INTERRUPTED, text, (late,))
    ends = next((each.expires_at for each in there), None)
    nexts = (Next("the machine's longest life ends", ends),) if ends else ()
    return Finding(Verdict.RUNS, f"{case.name} runs{since} on {case.machine}", nexts)


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
        return Finding(Verdict.NOBODY, text, (Next(fix), *_limit(case)))
    text = f"{case.name} asks for {case.labels}, which is not ours; somebody else's runner may take it"
    return Finding(Verdict.SOMEBODY, text, _limit(case))


def _not_served(case: Case) -> Finding | None:
    if case.evidence.served is not False:
        return None
    text = f"{case.name} waits, but {case.job.repo} is not served by this configuration"
    return Finding(Verdict.NOT_SERVED, text, (Next("add it to repositories under [github]"), *_limit(case)))


def _refused(case: Case) -> Finding | None:
    refused = case.evidence.refused(case.job.id)
    if refused is None:
        return _unreadable(case)
    hint = (Next(refused.error.hint),) if refused.error.hint else ()
    text = f"{case.name} ({case.labels}) is refused: {refused.error.message}"
    told = any(note.kind == "refusal-told" for note in case.evidence.notes_of(case.job.id))
    author = (Next("its author was told so at GitHub"),) if told else ()
    return Finding(Verdict.REFUSED, text, (*hint, *author, *_limit(case)))


def _unreadable(case: Case) -> Finding | None:
    """Known without a pass, too: the label cannot be understood."""
    try:
        labels.read(case.job.labels, arrays=case.evidence.arrays)
    except LabelError as error:
        hint = (Next(error.hint),) if error.hint else ()
        return Finding(Verdict.REFUSED, f"{case.name} is refused: {error.message}", (*hint, *_limit(case)))
    slip = labels.misspelt(case.job.labels)
    if slip is None or case.is_ours:
        return None
    text = f"{case.name} is nobody's: label {slip!r} is probably meant for {labels.WORD}, and not spelt so"
    return Finding(Verdict.REFUSED, text, _limit(case))


def _coming(case: Case) -> Finding | None:
    machines = case.evidence.capacity(case.job, case.now)
    waiting = case.evidence.waiting(case.job.id)
    if not machines or case.evidence.launch(case.job.id) or (waiting and waiting.until):
        return None
    names = case.evidence.names_for(case.job)
    pair = min(machines, key=lambda each: (each.name.lower() not in names, each.name))
    text = f"{case.name} waits for {pair.name}, which {_is(pair, case)}{_said(tried(case.job, case.evidence))}"
    return Finding(Verdict.COMING, text, (*_lease(pair), *_limit(case)))


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
    until = waiting.until
    when = f", next try {clock(until, case.now)}" if until else ""
    why = past.trouble or waiting.why
    text = f"{case.name} waits: {why}{f'; {past.count}' if past.tries else ''}{when}"
    plan = Next(waiting.why, until) if why != waiting.why or until else Next("the next pass decides again")
    return Finding(Verdict.WAITS, text, (plan, *_limit(case)))


def _launching(case: Case) -> Finding | None:
    launch = case.evidence.launch(case.job.id)
    if launch is None:
        return None
    past = tried(case.job, case.evidence)
    plan = Next(f"the next pass of a controller launches {launch.name}")
    seen = any(note.kind.startswith("job-") for note in case.evidence.notes_of(case.job.id)) or past.tries
    if seen or case.now < case.job.created_at + UNSEEN_AFTER:
        text = f"{case.name} waits for the next pass, which launches {launch.name}{_said(past)}"
        return Finding(Verdict.LAUNCHING, text, (plan, *_limit(case)))
    text = f"{case.name} waits {span((case.now - case.job.created_at).total_seconds())}, and no controller has seen it"
    start = Next("run `runnerkit serve`, or `runnerkit once`; this journal knows of no pass since it was queued")
    return Finding(Verdict.UNSEEN, text, (start, plan, *_limit(case)))


def _queued(case: Case) -> Finding:
    text = f"{case.name} is queued since {clock(case.job.created_at, case.now)}; what a pass would do is not known"
    return Finding(Verdict.WAITS, f"{text}{_said(tried(case.job, case.evidence))}", _limit(case))


def _said(past: object) -> str:
    text = str(past)
    return f"; {text}" if text else ""


def _limit(case: Case) -> tuple[Next, ...]:
    return (Next("GitHub gives the job up, after 24 hours in the queue", case.job.created_at + QUEUE_LIMIT),)


OVER = (_skipped, _done, _interrupted, _given_up, _cancelled, _failed)
HELD = (_gated, _held)
QUEUED = (_not_ours, _not_served, _refused, _coming, _waits, _launching, _queued)
RULES: dict[str, tuple[Callable[[Case], Finding | None], ...]] = {
    "completed": OVER,
    "in_progress": (_runs,),
    "queued": QUEUED,
}
