"""What else GitHub knows and the fleet asks for: annotations, approvals, repositories of an owner, files.

Each needs a permission of its own, which an App's token for this kind of work alone asks for: an App that was not given
it can do all the rest.
"""

from __future__ import annotations

import base64
import binascii
import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runnerkit.errors import ForgeDenied, ForgeRejected, NotFound
from runnerkit.github import places, views
from runnerkit.github.asks import ANNOTATIONS, FILES, GATES, REPOSITORIES, Ask, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from runnerkit.github.asks import Need
    from runnerkit.github.client import Client
    from runnerkit.github.level import Level
    from runnerkit.model import Job

FILE_LIMIT = 100_000
REPOSITORIES_FOR = timedelta(minutes=10)
MOST_ANNOTATION_PAGES = 5
# A commit that was deployed more often than this to one environment is not looked through any further.
MOST_DEPLOYMENTS = 30


class Facts:
    """The part of the forge that is neither about runners nor about runs as such."""

    def __init__(self, client: Client, level: Level) -> None:
        self._client = client
        self._level = level
        self._owners: dict[str, tuple[datetime, tuple[str, ...]]] = {}
        self._owners_lock = threading.Lock()

    def annotations(self, repo: str, job_id: int) -> Sequence[str]:
        """What the job's steps and its runner said: the messages of its annotations, whatever their level.

        A job of Actions and its check run have one id. One call for a hundred of them, free while nothing changes.

        Raises:
            ForgeDenied: The token may not read check runs (checks: read); what was said is unknown then.
            NotFound: There is no such job.
        """
        what = f"read the annotations of job {job_id} of {repo}"
        ask = _ask(repo, f"check-runs/{int(job_id)}/annotations", what, ANNOTATIONS)
        rows = self._client.rows(ask, most=MOST_ANNOTATION_PAGES, each=_message)
        return [message for message in rows if message]

    def gates(self, repo: str, job: Job) -> frozenset[str] | None:
        """The environments that a reviewer let this job's run into and whose deployment names this very job.

        A job does not tell its environment, so it takes both: the run's approvals, and a status of a deployment of the
        run's commit whose address is the job's. Lower case; None when the token may not read that, or when the job's
        commit is not known. Costs a call, and two or more for each approved environment; free while nothing changes.
        """
        try:
            approved = self._approved(repo, job.run_id)
            if approved and not job.head_sha:
                return None
            return frozenset(name.lower() for name in approved if self._deploys(repo, name, job))
        except (ForgeDenied, NotFound) as error:
            self._client.warn(f"whether an environment let job {job.id} of {repo} through is unknown: {error.message}")
            return None

    def repositories(self, owner: str) -> Sequence[str]:
        """The repositories of an organisation or a user that we may serve; neither archived nor disabled ones.

        For an App those of its installation, for a token those it can see (and, where runners are registered at
        repositories, administers). Read at most every ten minutes, one call for a hundred.
        """
        key, now = places.account(owner).lower(), self._client.clock.now()
        with self._owners_lock:
            known = self._owners.get(key)
            if known is None or now - known[0] > REPOSITORIES_FOR:
                known = self._owners[key] = (now, self._read_repositories(owner))
        return known[1]

    def file(self, repo: str, path: str) -> str | None:
        """A text file on the repository's default branch, one call, free while it does not change.

        None when there is none at that path.

        Raises:
            ForgeRejected: It is larger than 100 kB, or no text in UTF-8.
        """
        ask = _ask(repo, f"contents/{quote(path.strip('/'))}", f"read the file {path} of {repo}", FILES)
        try:
            told = self._client.page(ask, slim=_slim_file).body
        except NotFound:
            return None
        return None if told is None else _text(told, ask.what)

    # --- approvals ----------------------------------------------------------------------------------------------------

    def _approved(self, repo: str, run_id: int) -> list[str]:
        ask = _ask(
            repo, f"actions/runs/{int(run_id)}/approvals", f"read the approvals of run {run_id} of {repo}", GATES
        )
        names = dict.fromkeys(name for row in self._client.some(ask)[0] for name in _approval(row))
        return list(names)

    def _deploys(self, repo: str, environment: str, job: Job) -> bool:
        what = f"list the deployments of {job.head_sha[:12]} of {repo} to {environment}"
        params: dict[str, str | int] = {"sha": job.head_sha, "environment": environment, "per_page": MOST_DEPLOYMENTS}
        ask = _ask(repo, "deployments", what, GATES, **params)
        numbers = [views.integer(views.record(row).get("id")) for row in self._client.some(ask)[0]]
        return any(self._names(repo, number, job) for number in numbers if number is not None)

    def _names(self, repo: str, deployment: int, job: Job) -> bool:
        ask = _ask(repo, f"deployments/{deployment}/statuses", f"read deployment {deployment} of {repo}", GATES)
        return any(_leads_to(row, job) for row in self._client.rows(ask, most=1))

    # --- repositories -------------------------------------------------------------------------------------------------

    def _read_repositories(self, owner: str) -> tuple[str, ...]:
        found = dict.fromkeys(name for row in self._rows_of_owner(owner) if (name := self._served(row, owner)))
        return tuple(found)

    def _rows_of_owner(self, owner: str) -> list[Any]:
        listing = partial(Ask, verb="GET", what=f"list the repositories of {owner}", repo=owner, need=REPOSITORIES)
        if self._client.is_app:
            return self._client.rows(listing(path="/installation/repositories"), "repositories", each=_slim_repository)
        try:
            return self._client.rows(listing(path=f"/orgs/{owner}/repos"), each=_slim_repository)
        except NotFound:
            # A user's own list shows the public ones alone, this one all that the token's user has to do with.
            return self._client.rows(listing(path="/user/repos"), each=_slim_repository)

    def _served(self, row: dict[str, Any], owner: str) -> str:
        name = views.text(row.get("full_name"))
        theirs = places.owner(name).lower() == owner.lower()
        shut = row.get("archived") is True or row.get("disabled") is True
        strange = not self._level.of_organization and not self._client.is_app and row.get("admin") is False
        return name if theirs and not shut and not strange else ""


def _ask(repo: str, place: str, what: str, need: Need, **params: str | int) -> Ask:
    path = f"/repos/{places.repository(repo)}/{place}"
    return Ask(verb="GET", path=path, what=what, repo=repo, need=need, params=params)


def _message(row: object) -> str:
    return views.text(views.record(row).get("message"))


def _approval(row: object) -> list[str]:
    told = views.record(row)
    if views.text(told.get("state")) != "approved":
        return []
    return [
        name for each in views.items(told.get("environments")) if (name := views.text(views.record(each).get("name")))
    ]


def _leads_to(row: object, job: Job) -> bool:
    told = views.record(row)
    end = f"/actions/runs/{job.run_id}/job/{job.id}"
    return any(views.text(told.get(key)).endswith(end) for key in ("log_url", "target_url"))


def _slim_repository(row: object) -> dict[str, Any]:
    told = views.record(row)
    kept = {key: told.get(key) for key in ("full_name", "archived", "disabled")}
    return kept | {"admin": views.record(told.get("permissions")).get("admin")}


def _slim_file(body: object) -> dict[str, Any] | None:
    """What is kept of a file; None for a folder, a submodule, a link out of the repository."""
    told = views.record(body)
    if views.text(told.get("type")) != "file":
        return None
    content = views.text(told.get("content"))
    small = len(content) <= FILE_LIMIT * 2
    return {"size": told.get("size"), "encoding": told.get("encoding"), "content": content if small else None}


def _text(told: dict[str, Any], what: str) -> str:
    size = told["size"]
    if told["content"] is None or (isinstance(size, int) and size > FILE_LIMIT):
        raise ForgeRejected(f"did not {what}: it is larger than {FILE_LIMIT // 1000} kB", hint="make it smaller")
    if told["encoding"] != "base64":
        raise unreadable(what)
    try:
        return base64.b64decode(told["content"]).decode()
    except binascii.Error as error:
        raise unreadable(what) from error
    except UnicodeDecodeError as error:
        raise ForgeRejected(f"did not {what}: it is no text in UTF-8", hint="save it as UTF-8") from error
