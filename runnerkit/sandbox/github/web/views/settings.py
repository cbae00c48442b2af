"""A repository's settings: runners, environments, webhooks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from runnerkit.sandbox.github.records import Delivery, Environment, Hook, Run, Runner
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web.looks import Look
from runnerkit.sandbox.github.web.views.rows import Head, JobRow, RunRow, head, job_row, run_row

MOST_DELIVERIES = 30
LONGEST_BODY = 20_000


@dataclass(frozen=True, slots=True)
class RunnerRow:
    """A registration: where it belongs, what it does, and what its age means."""

    id: int
    name: str
    place: str
    group: str
    labels: tuple[str, ...]
    look: Look
    os: str
    version: str
    job: JobRow | None
    created_at: datetime
    online_at: datetime | None
    offline_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True)
class Runners:
    """The runners of a repository and of its organisation, or of an organisation alone (``owner``)."""

    head: Head | None
    owner: str
    runners: tuple[RunnerRow, ...]
    stuck: tuple[JobRow, ...]


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """An environment, and the runs that wait for its reviewers."""

    name: str
    reviewers: tuple[str, ...]
    wait_timer: int
    no_self_review: bool
    created_at: datetime
    waiting: tuple[RunRow, ...]


@dataclass(frozen=True, slots=True)
class Environments:
    """A repository's environments."""

    head: Head
    environments: tuple[EnvironmentRow, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery of a webhook."""

    guid: str
    what: str
    at: datetime
    status: int
    duration: float
    redelivery: bool
    body: str
    answer: str

    @property
    def well(self) -> bool:
        """Whether the receiver took it."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own numbers


@dataclass(frozen=True, slots=True)
class HookRow:
    """A webhook and its newest deliveries."""

    id: int
    url: str
    place: str
    events: tuple[str, ...]
    content_type: str
    signed: bool
    active: bool
    created_at: datetime
    deliveries: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Hooks:
    """A repository's webhooks and its organisation's."""

    head: Head
    hooks: tuple[HookRow, ...]


def runners(state: State, owner: str, repo: str) -> Runners:
    """Copy the runners a repository's jobs can reach."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        name = repository.full_name
        levels = {f"repos/{name}", f"orgs/{repository.owner}"}
        return Runners(head(state, repository), repository.owner, _rows(state, levels), _stuck(state, {name}))


def org_runners(state: State, owner: str) -> Runners:
    """Copy an organisation's runners."""
    with state.open(reading=True):
        login = state.organization(owner).login
        names = {each.full_name for each in state.repositories.values() if each.owner == login}
        return Runners(None, login, _rows(state, {f"orgs/{login}"}), _stuck(state, names))


def _rows(state: State, levels: set[str]) -> tuple[RunnerRow, ...]:
    return tuple(_runner(state, each) for each in state.live.runners.values() if each.level in levels)


def _stuck(state: State, names: set[str]) -> tuple[JobRow, ...]:
    queued = [each for each in state.live.jobs.values() if each.status == "queued" and each.repository in names]
    rows = [job_row(state, each, state.live.runs[each.run_id]) for each in queued]
    return tuple(row for row in rows if row.wait and row.wait.stuck)


def _runner(state: State, found: Runner) -> RunnerRow:
    job = state.live.jobs.get(found.job_id or 0)
    kind, _, place = found.level.partition("/")
    group = state.groups.get(place.lower(), {}).get(found.group_id) if kind == "orgs" else None
    return RunnerRow(
        found.id,
        found.name,
        place,
        group.name if group else "Default",
        found.labels,
        _runner_look(found),
        found.os,
        found.version or "",
        job_row(state, job, state.live.runs[job.run_id]) if job else None,
        found.created_at,
        found.online_at,
        found.offline_at,
        _note(state, found),
    )


def _runner_look(found: Runner) -> Look:
    if found.busy:
        return Look("running", "Active") if found.online else Look("failure", "Lost while active")
    return Look("success", "Idle") if found.online else Look("neutral", "Offline")


def _note(state: State, found: Runner) -> str:
    options, now = state.options, state.now()
    if found.busy and not found.online:
        return f"Its job fails once its lease of {options.lease:.0f} s has run out."
    if found.online_at is None:
        left = found.created_at + timedelta(seconds=options.offline_ephemeral) - now
        return f"Never online yet; the registration goes away in {left.total_seconds() / 3600:.1f} h."
    if not found.online:
        left = (found.offline_at or now) + timedelta(seconds=options.offline_ephemeral) - now
        return f"Offline; the registration goes away in {left.total_seconds() / 3600:.1f} h."
    return "Takes one job and is deregistered afterwards."


def environments(state: State, owner: str, repo: str) -> Environments:
    """Copy a repository's environments."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        name = repository.full_name
        runs = [each for each in reversed(state.live.runs.values()) if each.repository == name and each.waiting_for]
        found = [each for each in state.environments.values() if each.repository == name]
        rows = tuple(_environment(state, each, runs) for each in found)
        return Environments(head(state, repository), rows)


def _environment(state: State, found: Environment, runs: list[Run]) -> EnvironmentRow:
    waiting = [each for each in runs if found.name.lower() in {name.lower() for name in each.waiting_for}]
    return EnvironmentRow(
        found.name,
        found.reviewers,
        found.wait_timer,
        found.prevent_self_review,
        found.created_at,
        tuple(run_row(state, each) for each in waiting),
    )


def hooks(state: State, owner: str, repo: str) -> Hooks:
    """Copy the webhooks that hear of a repository."""
    with state.open(reading=True):
        repository = state.repository(f"{owner}/{repo}")
        levels = {f"repos/{repository.full_name}", f"orgs/{repository.owner}"}
        found = [each for each in state.hooks.values() if each.level in levels]
        told = list(reversed(state.deliveries.values()))
        return Hooks(head(state, repository), tuple(_hook(each, told) for each in found))


def _hook(found: Hook, told: list[Delivery]) -> HookRow:
    newest = [each for each in told if each.hook_id == found.id][:MOST_DELIVERIES]
    return HookRow(
        found.id,
        found.url,
        found.level.partition("/")[2],
        found.events,
        found.content_type,
        bool(found.secret),
        found.active,
        found.created_at,
        tuple(_told(each) for each in newest),
    )


def _told(found: Delivery) -> Told:
    what = f"{found.event}.{found.action}" if found.action else found.event
    return Told(
        found.guid,
        what,
        found.at,
        found.status,
        found.duration,
        found.redelivery,
        found.body[:LONGEST_BODY],
        found.answer[:LONGEST_BODY],
    )
