"""Checks of policy: whether repositories, environments and workflows fit what the configuration allows."""

from __future__ import annotations

from fnmatch import fnmatchcase
from shlex import quote
from typing import TYPE_CHECKING

from runnerkit import labels, specs
from runnerkit.doctor.checking import check
from runnerkit.doctor.facts_github import ENVIRONMENTS
from runnerkit.doctor.words import Group, Remark, failure, note, ok, unknown, warning
from runnerkit.errors import LabelError, PolicyRefused
from runnerkit.understanding import REPOSITORY_FILE, named_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runnerkit.doctor.facts_github import EnvironmentSeen, SettingsSeen, WorkflowJob, WorkflowSeen
    from runnerkit.doctor.seen import Observed
    from runnerkit.wishes import RunnerSpec

OPEN = "${{"
# What `setup github` makes, and jobs of ours cannot do without.
MADE = frozenset(
    {"AWS_ROLE", "AWS_REGION", "AWS_JOB_ROLE", "RUNNERKIT", "RUNNERKIT_TOKEN", "RUNNERKIT_APP_ID", "RUNNERKIT_APP_KEY"}
)
RISK = "anybody could make a job run on a machine of yours"


@check(
    "policy-repositories",
    Group.POLICY,
    "Are the repositories private, as policy wants, or public because policy allows it?",
    reads=("repositories",),
    levels="wf",
    todo="Serve private repositories only; or set `public_repositories = true` if you know who can start jobs there.",
)
def repositories(seen: Observed) -> Iterator[Remark]:
    """Public repositories are served only on purpose."""
    good: list[str] = []
    for repo in seen.repositories.value:
        bounds = seen.config.policy.of(repo.name)
        if not repo.visible:
            continue
        if repo.private is None:
            yield unknown(
                f"nobody tells whether {repo.name} is private", "unknown counts as public: its jobs are refused"
            )
        elif repo.private:
            good.append(repo.name)
        elif not bounds.public_repositories:
            yield failure(
                f"{repo.name} is public", f"policy refuses its jobs: {RISK}", "make it private; see docs/security.md"
            )
        elif bounds.forks:
            yield warning(
                f"{repo.name} is public, and policy allows jobs of forks", RISK, "set forks = false under [policy]"
            )
        else:
            yield ok(f"{repo.name} is public, and policy allows that")
    if good:
        yield ok(f"private: {', '.join(good)}")


@check(
    "policy-environments",
    Group.POLICY,
    "Do the environments exist that policy and workflows name, with reviewers, and gate the jobs?",
    reads=("environments", "workflows", "repositories"),
    levels="nwf",
    todo="Make the environment in the repository's settings, with required reviewers; name it in the workflow.",
)
def environments(seen: Observed) -> Iterator[Remark]:
    """Each named environment is there and has reviewers; each job of ours is gated where policy wants that."""
    said = 0
    for repo in (each.name for each in seen.repositories.value if each.visible):
        for remark in _of_repository(seen, repo):
            said += 1
            yield remark
    if not said:
        yield ok("no job of ours names an environment, and policy wants none")


def _of_repository(seen: Observed, repo: str) -> Iterator[Remark]:
    wanted = seen.config.policy.of(repo).require_environment
    there = {each.name.lower(): each for each in seen.environments.value if each.repo == repo}
    every = [(flow, job) for flow in seen.workflows.value if flow.repo == repo for job in flow.jobs]
    jobs = [(flow, job) for flow, job in every if _ours(seen, job)]
    asking = [*jobs, *((flow, job) for flow, job in every if job.launches)]
    named = {name for _, job in asking for name in job.environments if OPEN not in name}
    for name in sorted({*named, *(each for each in wanted if not set(each) & set("*?["))}):
        yield _environment(repo, name, there.get(name.lower()), wanted)
    for flow, job in jobs:
        gates = [name for name in job.environments if _fits(name, wanted)]
        if wanted and not gates:
            yield failure(
                f"{repo}: job {job.name} of {flow.path} is gated by none of {', '.join(wanted)}",
                "policy refuses it (require_environment)",
                f"give it, or a job that it needs, `environment: {wanted[0] if wanted[0] != '*' else 'NAME'}`",
            )


def _environment(repo: str, name: str, found: EnvironmentSeen | None, wanted: tuple[str, ...]) -> Remark:
    page = f"https://github.com/{repo}/settings/environments"
    needed = _fits(name, wanted)
    if found is None:
        make = failure if needed else warning
        why = "GitHub makes it at the first run, without any reviewer"
        return make(f"{repo} has no environment {name!r}", why, f"runnerkit setup github --environment {quote(name)}")
    if not found.reviewed:
        # Where policy wants no approval, an environment may be there for AWS's sake: its role trusts jobs by its name.
        make, why = (warning, "") if needed else (note, ": nobody is asked before a machine is paid for")
        why = f"everybody who can push starts machines{why}"
        return make(f"environment {name!r} of {repo} has no reviewers", why, f"name some, if you want that: {page}")
    return ok(f"environment {name!r} of {repo} has reviewers")


def _fits(name: str, wanted: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in wanted)


def _ours(seen: Observed, job: WorkflowJob) -> bool:
    try:
        return labels.read(job.labels, arrays=seen.config.arrays) is not None
    except LabelError:
        return True


@check(
    "policy-workflows",
    Group.POLICY,
    "Do the labels in the workflows parse, and does policy allow what they ask for?",
    reads=("workflows", "repositories"),
    levels="nwf",
    todo="Correct the `runs-on` label; `runnerkit offerings` tries one.",
)
def workflows(seen: Observed) -> Iterator[Remark]:
    """Each label of ours can be understood and had."""
    good = 0
    for flow in seen.workflows.value:
        if flow.problem:
            yield warning(f"{flow.repo}: {flow.path}: {flow.problem}", "GitHub does not run it", "correct the file")
        for job in flow.jobs:
            remark = _label(seen, flow, job)
            if remark is not None:
                yield remark
            good += remark is None and _ours(seen, job)
    launching = sum(job.launches for flow in seen.workflows.value for job in flow.jobs)
    more = f", {launching} launch{'es' if launching == 1 else ''} some" if launching else ""
    yield ok(f"{good} job{'' if good == 1 else 's'} of workflows ask{'s' if good == 1 else ''} for a machine{more}")


def _label(seen: Observed, flow: WorkflowSeen, job: WorkflowJob) -> Remark | None:
    where = f"{flow.repo}: job {job.name} of {flow.path}"
    if any(OPEN in label for label in job.labels):
        ours = any(label.lower().startswith(labels.WORD) for label in job.labels)
        return note(f"{where}: its label depends on an expression", "it is judged when it runs") if ours else None
    bounds = seen.config.policy.of(flow.repo)
    try:
        label = labels.read(job.labels, arrays=seen.config.arrays)
        slip = labels.misspelt(job.labels) if label is None else None
        if slip is not None:
            return failure(f"{where}: label {slip!r} is nobody's", "it waits for ever", f"write {labels.WORD}=...")
        if label is None:
            return None
        specs.resolve(label.spec, _named(seen, flow.repo), seen.config.fallback(), bounds)
    except (LabelError, PolicyRefused) as error:
        return failure(f"{where}: {error.message}", "it is refused", error.hint or "correct the label")
    if "pull_request_target" in flow.events and not bounds.pull_request_target:
        return failure(
            f"{where} is triggered by pull_request_target", f"policy refuses that: {RISK}", "use pull_request instead"
        )
    return None


def _named(seen: Observed, repo: str) -> Mapping[str, RunnerSpec]:
    own = next((each.specs for each in seen.repositories.value if each.name == repo), "")
    return {**named_specs(own, f"{repo}: {REPOSITORY_FILE}"), **seen.config.named()}


@check(
    "policy-identity",
    Group.POLICY,
    "May the jobs that ask AWS for credentials ask GitHub for an identity?",
    reads=("workflows",),
    levels="f",
    todo="Write `permissions:` with `id-token: write` (and `contents: read`) in the job or the workflow.",
)
def identity(seen: Observed) -> Iterator[Remark]:
    """Each job that assumes a role has ``id-token: write``."""
    asking = [(flow, job) for flow in seen.workflows.value for job in flow.jobs if job.wants_identity]
    for flow, job in asking:
        if not job.has_identity:
            yield failure(
                f"{flow.repo}: job {job.name} of {flow.path} asks AWS for a role without `id-token: write`",
                "GitHub gives it no identity, and AWS no credentials",
                "permissions: {contents: read, id-token: write}",
            )
    if all(job.has_identity for _, job in asking):
        yield ok(f"{len(asking)} job{'' if len(asking) == 1 else 's'} with a role, and all may ask for an identity")


@check(
    "policy-settings",
    Group.POLICY,
    "Are the variables and secrets there that workflows of ours read?",
    reads=("settings", "workflows"),
    levels="wf",
    todo="`runnerkit setup github` makes those that runnerkit's own workflows read; others are set at GitHub.",
)
def settings(seen: Observed) -> Iterator[Remark]:
    """Each variable and secret that a workflow of ours reads is set, at one place or another."""
    found = {each.repo: each for each in seen.settings.value}
    wanted = [(flow, names) for flow in seen.workflows.value if _concerns_us(seen, flow) for names in flow.settings]
    good = True
    for repo in dict.fromkeys(flow.repo for flow, _ in wanted):
        there = found.get(repo)
        for names, files in _by_names(wanted, repo).items():
            if there is not None and there.names & set(names):
                continue
            good = False
            if there is None or {name.partition(".")[0] for name in names} & set(there.hidden):
                yield unknown(
                    f"{repo}: nobody may see whether {' or '.join(names)} is set", "a token that may list them"
                )
            else:
                yield _missing(there, names, files)
    if good:
        yield ok("all are there" if wanted else "workflows of ours read none")


def _concerns_us(seen: Observed, flow: WorkflowSeen) -> bool:
    return any(job.launches or _ours(seen, job) for job in flow.jobs)


def _by_names(wanted: Iterable[tuple[WorkflowSeen, tuple[str, ...]]], repo: str) -> dict[tuple[str, ...], list[str]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for flow, names in wanted:
        if flow.repo == repo:
            found.setdefault(names, []).append(flow.path)
    return found


def _missing(there: SettingsSeen, names: tuple[str, ...], files: list[str]) -> Remark:
    unless = " (unless in the environment, which this token may not look into)" if ENVIRONMENTS in there.hidden else ""
    told = f"{there.repo}: {' or '.join(names)} is not set{unless}; wanted by {', '.join(files)}"
    page = f"https://github.com/{there.repo}/settings/{names[0].partition('.')[0].replace('vars', 'variables')}/actions"
    if any(name.partition(".")[2] in MADE for name in names):
        return failure(told, "the job that reads it fails", f"runnerkit setup github, or by hand: {page}")
    return warning(told, "the job reads an empty text", f"set it, if it is needed: {page}")


CHECKS = (repositories, environments, workflows, identity, settings)
