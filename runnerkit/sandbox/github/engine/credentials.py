"""What a running job holds: its ``GITHUB_TOKEN``, its secrets, its key to the run's artifacts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runnerkit.sandbox.github import people
from runnerkit.sandbox.github.engine.contexts import from_fork
from runnerkit.sandbox.github.engine.identity import may_ask
from runnerkit.sandbox.github.records import App, Job, Run
from runnerkit.sandbox.github.refusals import Reason, Refused
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import GENEROUS, RANKS, WORKFLOW_PERMISSIONS, Tokens
from runnerkit.sandbox.workflows.evaluator import Scope
from runnerkit.sandbox.workflows.templates import evaluate
from runnerkit.sandbox.workflows.values import text

BOT = "github-actions[bot]"
TOKEN_LIFE = timedelta(hours=24)
# What a workflow without `permissions:` gets in a repository that keeps GitHub's own setting.
RESTRICTED = {"contents": "read"}


@dataclass(frozen=True, slots=True)
class Issued:
    """What was handed over with a job; ``id_token`` asks for its identity, and is empty where it may not."""

    secrets: dict[str, str]
    runtime_token: str
    id_token: str = ""


class Credentials:
    """Hands out what a job holds when its runner takes it, and takes it back when the job is over."""

    def __init__(self, state: State, tokens: Tokens) -> None:
        self._state, self._tokens = state, tokens
        self._issued: dict[int, Issued] = {}
        state.watchers.append(self._take_back)

    def of(self, run: Run, job: Job) -> Issued:
        """Give a running job's credentials, the same at every question."""
        if job.id not in self._issued:
            value = self._tokens.issue(
                "actions",
                people.add_account(self._state, BOT).login,
                token_permissions(job.payload.get("permissions"), fork=from_fork(run)),
                repositories=frozenset({run.repository}),
                expires_at=self._state.now() + TOKEN_LIFE,
                app_id=bot_app(self._state).id,
            ).value
            held = self._secrets(run, job) | {"GITHUB_TOKEN": value}
            asks = secrets.token_urlsafe(30) if may_ask(run, job) else ""
            self._issued[job.id] = Issued(held, secrets.token_urlsafe(30), asks)
        return self._issued[job.id]

    def _secrets(self, run: Run, job: Job) -> dict[str, str]:
        if from_fork(run):
            return {}
        known = passed_on(dict(self._state.repository(run.repository).secrets), job.secrets)
        environment = self._state.environments.get((run.repository, (job.environment or "").lower()))
        return known | (environment.secrets if environment is not None else {})

    def run_of(self, authorization: str) -> Run:
        """Find the run of the job whose runtime token this is.

        Raises:
            Refused: 401 for a token that no running job holds.
        """
        self._take_back()
        token = authorization.removeprefix("Bearer ").strip()
        for job_id, issued in self._issued.items():
            if secrets.compare_digest(issued.runtime_token.encode(), token.encode()):
                return self._state.live.runs[self._state.live.jobs[job_id].run_id]
        raise Refused(Reason.UNAUTHENTICATED, "The runtime token belongs to no running job.")

    def job_of(self, authorization: str) -> Job:
        """Find the running job that may ask for its identity with this token.

        Raises:
            Refused: 401 for a token that no running job holds.
        """
        self._take_back()
        token = authorization.partition(" ")[2].strip()
        for job_id, issued in self._issued.items():
            if issued.id_token and secrets.compare_digest(issued.id_token.encode(), token.encode()):
                return self._state.live.jobs[job_id]
        raise Refused(Reason.UNAUTHENTICATED, "The token belongs to no running job.")

    def _take_back(self) -> None:
        over = [each for each in self._issued if self._state.live.jobs[each].status == "completed"]
        for job_id in over:
            self._tokens.revoke(self._issued.pop(job_id).secrets["GITHUB_TOKEN"])


def passed_on(known: dict[str, str], calls: tuple[Any, ...]) -> dict[str, str]:
    """Give the secrets that a job of a called workflow knows: what each call on the way to it hands over."""
    for each in calls:
        if each != "inherit":
            scope = Scope({"secrets": known})
            known = {str(name).upper(): text(evaluate(template, scope)) for name, template in each.items()}
    return known


def token_permissions(said: str | Mapping[str, Any] | None, *, fork: bool) -> dict[str, str]:
    """Translate a workflow's ``permissions:``; what is not named is not held, and a fork never writes."""
    if said is None:
        wanted = dict(RESTRICTED)
    elif isinstance(said, str):
        wanted = _all(said)
    else:
        wanted = {str(name).replace("-", "_"): str(level) for name, level in said.items()}
    held = {name: level for name, level in wanted.items() if name in WORKFLOW_PERMISSIONS and level in RANKS}
    if fork:
        held = dict.fromkeys(held, "read")
    return held | {"metadata": "read"}


def _all(level: str) -> dict[str, str]:
    return dict(WORKFLOW_PERMISSIONS) if level == "write-all" else dict.fromkeys(WORKFLOW_PERMISSIONS, "read")


def bot_app(state: State) -> App:
    """Give GitHub's own App, which stands behind every ``GITHUB_TOKEN``."""
    known = next((each for each in state.apps.values() if each.slug == "github-actions"), None)
    return known or add_app(state, "github-actions", None, GENEROUS)


def add_app(state: State, slug: str, public_key: str | None, permissions: Mapping[str, str]) -> App:
    """Register a GitHub App."""
    owner = people.add_account(state, "github").login
    number = state.next_id("app")
    app = App(number, f"Iv23li{number:014d}", slug, owner, dict(permissions), state.now(), public_key)
    state.apps[app.id] = app
    return app
