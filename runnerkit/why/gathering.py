"""Looking: the journal, EC2, GitHub, and what a pass would do just now. It only reads, and says what it could not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runnerkit.errors import ForgeError, NothingKnown, RunnerkitError
from runnerkit.journal import KEPT
from runnerkit.names import RunnerName
from runnerkit.recovery import ANNOTATION, recoverable
from runnerkit.why.cases import Case
from runnerkit.why.evidence import Evidence
from runnerkit.why.explaining import explain
from runnerkit.why.notes import about, of_runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from runnerkit.history import Note, Run
    from runnerkit.model import Instance, Job
    from runnerkit.passes import Pass
    from runnerkit.ports import Clock, Cloud, Forge, Journal
    from runnerkit.why.answers import Answer
    from runnerkit.why.notes import Key
    from runnerkit.why.questions import Question
    from runnerkit.wishes import Policy, RunnerSpec

# In so many repositories a number is looked for, and of so many jobs the annotations are read.
MOST_REPOSITORIES = 30
MOST_ANNOTATIONS = 10
OVER, WELL = "completed", frozenset({"success", "skipped", "neutral"})


@dataclass(frozen=True, slots=True)
class Hub:
    """GitHub for some repositories, what a pass over one of them would do, and how a job's label is understood."""

    forge: Forge
    preview: Callable[[str], Pass]
    spec_of: Callable[[Job], RunnerSpec | None]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look. ``github`` connects for some repositories; ``served`` are those of the configuration."""

    cloud: Cloud
    journal: Journal
    clock: Clock
    policy: Policy
    github: Callable[[Sequence[str]], Hub]
    served: tuple[str, ...] = ()
    arrays: bool = False


def answers(question: Question, sources: Sources) -> tuple[Answer, ...]:
    """Everything that can be said about a question.

    Raises:
        NothingKnown: Nothing is known of it; the message says where it was looked for.
        RunnerkitError: Nothing is known of it, because GitHub or EC2 could not be read.
    """
    search = Search(question, sources)
    evidence = search.evidence()
    found = explain(question, evidence, sources.clock.now())
    if not found:
        raise search.in_vain()
    return found


@dataclass
class Search:
    """One search, with what it could not read on the way."""

    question: Question
    sources: Sources
    errors: list[RunnerkitError] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    _hubs: dict[tuple[str, ...], Hub] = field(default_factory=dict)

    def evidence(self) -> Evidence:
        """Look everywhere, the cheap places first."""
        sources, now = self.sources, self.sources.clock.now()
        every = self._notes(now)
        instances = self._instances()
        notes = about(every, self._keys(instances))
        repo, jobs, runs = self._from_github(self._repositories(instances, notes), instances, notes)
        notes = about(every, {*self._keys(instances), *_keys_of(jobs)})
        if not notes and not any(text.startswith("the journal") for text in self.unknown):
            self.unknown.append(
                f"the journal {'says nothing about it' if every else 'that this command reads is empty'}"
            )
        evidence = Evidence(
            policy=sources.policy.of(repo) if repo else sources.policy,
            runs=runs,
            jobs=tuple(jobs),
            instances=tuple(instances),
            notes=notes,
            served=self._is_served(repo),
            arrays=sources.arrays,
        )
        evidence = self._with_pass(repo, evidence)
        evidence = self._with_annotations(repo, evidence)
        evidence = self._with_recoveries(repo, evidence)
        return replace(evidence, unknown=tuple(dict.fromkeys((*self.unknown, *_forgotten(evidence)))))

    def in_vain(self) -> RunnerkitError:
        """Why there is no answer."""
        if self.errors:
            return self.errors[0]
        places = ", ".join(self.looked) or "no repository of GitHub's"
        hint = "check the number; --repo OWNER/NAME, or the page's address, says where it is"
        return NothingKnown(
            f"nothing is known of {self.question.text}: looked at EC2, the journal and {places}", hint=hint
        )

    # --- EC2 and the journal ------------------------------------------------------------------------------------------

    def _instances(self) -> Sequence[Instance]:
        try:
            return self.sources.cloud.instances()
        except RunnerkitError as error:
            return self._missed("EC2", error)

    def _notes(self, now: datetime) -> Sequence[Note]:
        try:
            return self.sources.journal.notes(now - KEPT)
        except RunnerkitError as error:
            return self._missed("the journal", error)

    def _missed(self, what: str, error: RunnerkitError) -> tuple[()]:
        self.errors.append(error)
        self.unknown.append(f"{what} could not be read: {error.message}")
        return ()

    def _keys(self, instances: Sequence[Instance]) -> set[Key]:
        """What the question names, and for machines what their tags name."""
        asked = self.question
        numbers = {("job", asked.job), ("job", asked.number), ("run", asked.run), ("run", asked.number)}
        keys: set[Key] = {(kind, number) for kind, number in numbers if number is not None}
        names = {asked.runner} | {each.name.lower() for each in self._meant(instances)}
        keys |= {("runner", name) for name in names if name}
        return keys | ({("instance", asked.instance)} if asked.instance else set())

    def _meant(self, instances: Sequence[Instance]) -> list[Instance]:
        """The instances that the question itself names."""
        asked = self.question
        return [i for i in instances if i.id == asked.instance or (asked.runner and i.name.lower() == asked.runner)]

    # --- GitHub -------------------------------------------------------------------------------------------------------

    def _repositories(self, instances: Sequence[Instance], notes: Sequence[Note]) -> tuple[str, ...]:
        """Where to ask GitHub: where we know, else wherever we serve."""
        known = [each.repo for each in self._meant(instances)] + [note.text("repo") for note in notes]
        # An instance that was launched for a job says which repository that job is of.
        number = self.question.number or self.question.job or self.question.run
        known += [each.repo for each in instances if number and number in {each.job_id, each.run_id}]
        certain = self.question.repo or next((repo for repo in known if repo), "")
        return (certain,) if certain else self.sources.served

    def _hub(self, repos: tuple[str, ...]) -> Hub:
        if repos not in self._hubs:
            self._hubs[repos] = self.sources.github(repos)
        return self._hubs[repos]

    def _from_github(
        self, repos: tuple[str, ...], instances: Sequence[Instance], notes: Sequence[Note]
    ) -> tuple[str, list[Job], dict[int, Run]]:
        """The first repository that knows what is asked about, with the job and the run."""
        if not repos:
            self.unknown.append("GitHub was not asked: no repository is known (--repo OWNER/NAME)")
            return "", [], {}
        try:
            forge = self._hub(repos).forge
            for repo in self._named(forge, repos):
                self.looked.append(repo)
                jobs, runs = self._asked(forge, repo, instances, notes)
                if jobs or runs:
                    return repo, jobs, runs
        except RunnerkitError as error:
            self._missed("GitHub", error)
        return repos[0] if len(repos) == 1 else "", [], {}

    def _named(self, forge: Forge, repos: tuple[str, ...]) -> list[str]:
        listed = (forge.repositories(repo[:-2]) if repo.endswith("/*") else [repo] for repo in repos)
        found = [repo for each in listed for repo in each]
        if len(found) > MOST_REPOSITORIES:
            self.unknown.append(f"only {MOST_REPOSITORIES} of {len(found)} repositories were looked at (--repo)")
        return found[:MOST_REPOSITORIES]

    def _asked(
        self, forge: Forge, repo: str, instances: Sequence[Instance], notes: Sequence[Note]
    ) -> tuple[list[Job], dict[int, Run]]:
        jobs: dict[int, Job] = {}
        for number in dict.fromkeys(self._job_numbers(notes)):
            job = forge.job(repo, number)
            if job is not None:
                jobs[job.id] = job
        wanted = [job.run_id for job in jobs.values()] or list(dict.fromkeys(self._run_numbers(instances, notes)))
        runs = {run.id: run for number in dict.fromkeys(wanted) if (run := forge.run(repo, number)) is not None}
        for number in runs:
            jobs |= {job.id: job for job in forge.jobs(repo, number)}
        return list(jobs.values()), runs

    def _job_numbers(self, notes: Sequence[Note]) -> Iterator[int]:
        asked = self.question
        yield from (each for each in (asked.job, asked.number) if each is not None)
        if asked.runner or asked.instance:
            names = {asked.runner} | {n.text("runner") for n in notes if n.text("instance") == asked.instance}
            taken = [n for n in notes if n.text("runner") in names and n.kind in {"job-taken", "job-over"}]
            yield from (job for note in taken if (job := note.id("job")) is not None)
            yield from (int(value) for name in names for kind, value in of_runner(name) if kind == "job")

    def _run_numbers(self, instances: Sequence[Instance], notes: Sequence[Note]) -> Iterator[int]:
        asked = self.question
        yield from (each for each in (asked.run, asked.number) if each is not None)
        if asked.runner or asked.instance:
            yield from (each.run_id for each in self._meant(instances) if each.run_id)
            yield from (run for note in notes if (run := note.id("run")) is not None)
            yield from (int(value) for kind, value in of_runner(asked.runner) if kind == "run")

    def _is_served(self, repo: str) -> bool | None:
        """None where the configuration names no repository: then `launch` is used, or nobody said."""
        if not self.sources.served or not repo:
            return None
        return any(fnmatchcase(repo.lower(), pattern.lower()) for pattern in self.sources.served)

    # --- what follows from that ---------------------------------------------------------------------------------------

    def _with_pass(self, repo: str, evidence: Evidence) -> Evidence:
        """What a pass would see and do; only where something is still going that it could do something about."""
        machine = bool(self.question.runner or self.question.instance)
        waits = any(job.status != OVER and self._is_ours(job, evidence) for job in evidence.jobs)
        if not repo or not (machine or waits):
            return evidence
        try:
            seen = self._hub((repo,)).preview(repo)
        except RunnerkitError as error:
            self._missed("what a pass would do", error)
            return evidence
        return replace(evidence, seen=seen, runners=tuple(seen.observed.runners))

    def _is_ours(self, job: Job, evidence: Evidence) -> bool:
        # Whether somebody else's runner has the labels is known from the same look.
        return Case(job, evidence, self.sources.clock.now()).is_ours or "self-hosted" in map(str.lower, job.labels)

    def _with_annotations(self, repo: str, evidence: Evidence) -> Evidence:
        """The second witness, where EC2 and the journal do not say that AWS took the machine."""
        ran = [job for job in evidence.jobs if _badly(job) and RunnerName.parse((job.runner_name or "").lower())]
        asked = [job for job in ran if not evidence.is_interrupted(job)][:MOST_ANNOTATIONS]
        try:
            said = {job.id for job in asked if any(ANNOTATION in text for text in self._annotations(repo, job))}
        except ForgeError as error:
            self.unknown.append(f"annotations could not be read: {error.message}")
            return evidence
        return replace(evidence, annotated=frozenset(said))

    def _annotations(self, repo: str, job: Job) -> Sequence[str]:
        return self._hub((repo,)).forge.annotations(repo, job.id)

    def _with_recoveries(self, repo: str, evidence: Evidence) -> Evidence:
        """Whether runs that are over go on: the rule that controllers and `resume` use."""
        lost = evidence.lost()
        decided = {
            run.id: recoverable(
                run,
                [job for job in evidence.jobs if job.run_id == run.id and job.run_attempt == run.attempt],
                lost,
                evidence.annotated,
                evidence.policy,
                self._hub((repo,)).spec_of,
            )
            for run in evidence.runs.values()
        }
        return replace(evidence, recoveries=decided)


def _keys_of(jobs: Sequence[Job]) -> set[Key]:
    runners = {job.runner_name.lower() for job in jobs if job.runner_name}
    return (
        {("job", job.id) for job in jobs} | {("runner", name) for name in runners} | {("run", j.run_id) for j in jobs}
    )


def _badly(job: Job) -> bool:
    return job.status == OVER and job.conclusion not in WELL


def _forgotten(evidence: Evidence) -> Iterator[str]:
    """EC2 shows a machine for about an hour after its end; whether AWS took an older one, others must tell."""
    shown = {each.name.lower() for each in evidence.instances}
    noted = {note.text("runner").lower() for note in evidence.notes if note.kind == "instance-ended"}
    for job in evidence.jobs:
        name = (job.runner_name or "").lower()
        if _badly(job) and RunnerName.parse(name) and name not in shown | noted and not evidence.is_interrupted(job):
            yield f"EC2 does not show {name} any more and the journal does not tell its end: AWS may have taken it"
