"""Runners: registering just in time, connecting, losing and deleting them."""

import re
import secrets
from collections.abc import Iterable

from runnerkit.sandbox.github.jit import identity
from runnerkit.sandbox.github.people import admits
from runnerkit.sandbox.github.records import Job, Runner
from runnerkit.sandbox.github.refusals import Reason, Refused, invalid, missing
from runnerkit.sandbox.github.state import DEFAULT_GROUP, State

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MOST_LABELS = 100
LONGEST_LABEL = 256
HOSTED_GROUP = "GitHub Actions"


def register(state: State, level: str, name: str, group_id: int, labels: list[str], work_folder: str) -> Runner:
    """Register a just-in-time runner with exactly ``labels``.

    Raises:
        Refused: 422 for a name or label GitHub does not take, 404 for an unknown group, 409 for a name in use.
    """
    if not NAME.fullmatch(name):
        raise invalid(f"Runner name {name!r} must have 1 to 64 letters, digits, '.', '_' or '-'.")
    if not labels:
        raise invalid(f"A runner needs 1 to {MOST_LABELS} labels of 1 to {LONGEST_LABEL} characters.")
    _check_labels(labels)
    _check_group(state, level, group_id)
    if find(state.live.runners.values(), level, name):
        raise Refused(Reason.CONFLICT, f"Already exists - A runner with the name {name} already exists.")
    runner = Runner(
        state.next_id("runner"),
        level,
        name,
        _distinct(labels),
        group_id,
        secrets.token_hex(16),
        state.now(),
        work_folder=work_folder,
    )
    state.live.runners[runner.id] = runner
    return runner


def _check_labels(labels: list[str]) -> None:
    if len(labels) > MOST_LABELS or not all(0 < len(each.strip()) <= LONGEST_LABEL for each in labels):
        raise invalid(f"A runner has at most {MOST_LABELS} labels of 1 to {LONGEST_LABEL} characters.")


def relabel(state: State, level: str, runner_id: int, labels: list[str]) -> Runner:
    """Give a runner other labels.

    Raises:
        Refused: 404 when there is none such, 422 for labels GitHub does not take.
    """
    runner = state.runner(level, runner_id)
    _check_labels(labels)
    runner.labels = _distinct(labels)
    return runner


def _distinct(labels: list[str]) -> tuple[str, ...]:
    first_spellings = {each.lower(): each for each in reversed(labels)}
    return tuple(first_spellings[each] for each in dict.fromkeys(map(str.lower, labels)))


def _check_group(state: State, level: str, group_id: int) -> None:
    kind, _, owner = level.partition("/")
    if kind == "orgs":
        state.group(owner, group_id)
    elif group_id != DEFAULT_GROUP:
        raise missing()


def find(runners: Iterable[Runner], level: str, name: str) -> list[Runner]:
    """List the runners of a level by name, whatever the case of its letters."""
    return [each for each in runners if each.level == level and each.name.lower() == name.lower()]


def known_runner(state: State, runner_id: int) -> Runner | None:
    """Find a runner, be it a registration or one of GitHub's own machines."""
    return state.live.runners.get(runner_id) or state.hosted.get(runner_id)


def forget(state: State, runner: Runner) -> None:
    """Drop a runner, be it a registration or one of GitHub's own machines."""
    state.live.runners.pop(runner.id, None)
    state.hosted.pop(runner.id, None)


def make_hosted(state: State, job: Job) -> Runner:
    """Make one of GitHub's own machines for a queued job; no list shows it, and it takes no other job.

    Raises:
        Refused: 409 when the job is not queued for such a machine, or has one that is connected.
    """
    if not job.hosted or job.status != "queued":
        raise Refused(Reason.CONFLICT, f"job {job.id} is not queued for one of GitHub's own machines ({job.status})")
    for other in [each for each in state.hosted.values() if each.bound_to == job.id]:
        if other.online:
            raise Refused(Reason.CONFLICT, f"job {job.id} has the machine {other.name} already")
        forget(state, other)
    number, level, now = state.next_id("runner"), f"repos/{job.repository}", state.now()
    runner = Runner(
        number, level, f"{HOSTED_GROUP} {number}", job.labels, 0, secrets.token_hex(16), now, bound_to=job.id
    )
    state.hosted[runner.id] = runner
    return runner


def delete(state: State, level: str, runner_id: int) -> None:
    """Delete a registration.

    Raises:
        Refused: 404 when there is none, 422 while GitHub thinks that it runs a job.
    """
    runner = state.runner(level, runner_id)
    if runner.busy:
        raise invalid(f'Bad request - Runner "{runner.name}" is currently running a job and cannot be deleted.')
    del state.live.runners[runner.id]


def connect(state: State, blob: str, *, version: str, system: str) -> Runner:
    """Let a listener come online with the JIT configuration it was given.

    Raises:
        Refused: 404 when the registration is gone, 409 when another listener has its session.
    """
    runner_id, client_id = identity(blob)
    runner = known_runner(state, runner_id)
    if runner is None or not secrets.compare_digest(runner.client_id, client_id):
        raise Refused(Reason.MISSING, "The runner registration has been deleted from the server, please re-configure.")
    return come_online(state, runner, version=version, system=system)


def come_online(state: State, runner: Runner, *, version: str, system: str) -> Runner:
    """Note that a runner's listener is connected."""
    if runner.online:
        raise Refused(Reason.CONFLICT, f"A session for runner {runner.name} already exists.")
    runner.version, runner.os = version, system
    runner.online_at, runner.offline_at = state.now(), None
    return runner


def lose(state: State, runner: Runner) -> None:
    """Cut a runner's connection; its job is failed when the lease runs out, until then it counts as busy."""
    if runner.offline_at is None:
        runner.offline_at = state.now()


def vanish(state: State, runner: Runner) -> None:
    """Drop an idle registration, as GitHub does after minutes nobody documents."""
    if runner.busy:
        raise invalid(f"runner {runner.name} runs a job; GitHub drops idle registrations only")
    state.live.runners.pop(runner.id, None)


def can_take(state: State, runner: Runner, job: Job) -> bool:
    """Tell whether GitHub would give the job to the runner now."""
    if job.status != "queued" or not runner.online or runner.busy:
        return False
    if job.hosted or runner.bound_to is not None:
        return runner.bound_to == job.id
    if not (job.labels or job.group) or not carries(runner, job.labels):
        return False
    kind, _, place = runner.level.partition("/")
    if kind == "repos":
        return place == job.repository and job.group in {None, "Default"}
    repository = state.repository(job.repository)
    group = state.group(place, runner.group_id)
    return place == repository.owner and job.group in {None, group.name} and admits(group, repository)


def carries(runner: Runner, labels: Iterable[str]) -> bool:
    """Tell whether the runner has all ``labels``, whatever the case of their letters."""
    return {each.lower() for each in labels} <= {each.lower() for each in runner.labels}
