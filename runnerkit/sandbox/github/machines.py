"""The machines' side: what a runner's listener says to the service, in small.

The real protocol between listener and service is not public; this one has its shape (session, long poll, renewal)
and serves stand-ins in other processes:

* ``POST /_runnerkit/sessions`` ``{jit_config, version, os}`` -> 201 ``{session, runner_id, name}``; 404 once the
  registration is gone, 409 while another listener has the session
* ``GET /_runnerkit/sessions/S/job?wait=SECONDS`` -> 200 job, 202 nothing yet, 404 the runner no longer exists
* ``POST /_runnerkit/sessions/S/renew`` -> 200 ``{cancelled}``; a listener unheard of loses its connection
* ``POST /_runnerkit/sessions/S/log`` ``{step, text, steps}`` -> 200, all optional; text is appended
* ``POST /_runnerkit/sessions/S/finish`` ``{conclusion, annotations, steps, outputs, summaries, log}`` -> 200
* ``GET /_runnerkit/sessions/S/actions?name=OWNER/NAME@REF`` -> a tar of a repository whose action the job uses
* ``DELETE /_runnerkit/sessions/S`` -> 204, the listener stops in good order; its registration stays
* ``GET /_runnerkit/logs/J`` -> the log of a job, ``GET /_runnerkit/archives/A`` -> the zip of an artifact,
  ``GET /_runnerkit/run-logs/RUN-ATTEMPT`` -> a zip of all logs

and, for steps that hold the job's ``runtime_token``:

* ``PUT /_runnerkit/artifacts/NAME`` (a zip) -> 201 ``{id, size}``, ``GET`` the same -> the zip
* ``GET /_runnerkit/artifacts`` -> 200 ``{artifacts: [{id, name, size}]}`` of the run

and, for steps of a job with ``id-token: write``, as GitHub documents it:

* ``GET /_runnerkit/identity?audience=NAME`` -> 200 ``{value, count}``, a token about the job, signed
"""

import secrets
import time
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.github import jobs, registrations
from runnerkit.sandbox.github.bodies import archive, object_of, shown
from runnerkit.sandbox.github.engine import artifacts, library, logfiles
from runnerkit.sandbox.github.engine.credentials import Credentials
from runnerkit.sandbox.github.engine.identity import Identities
from runnerkit.sandbox.github.records import Job, Runner
from runnerkit.sandbox.github.refusals import Reason, Refused, missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_WAIT = 50.0
TICK = 0.2
ONE = "/_runnerkit/sessions/<key>"
# Endpoint, method and path of all that is served.
ENDPOINTS = (
    ("connect", "POST", "/_runnerkit/sessions"),
    ("job", "GET", f"{ONE}/job"),
    ("renew", "POST", f"{ONE}/renew"),
    ("write", "POST", f"{ONE}/log"),
    ("finish", "POST", f"{ONE}/finish"),
    ("leave", "DELETE", ONE),
    ("action", "GET", f"{ONE}/actions"),
    ("log", "GET", "/_runnerkit/logs/<key>"),
    ("archive", "GET", "/_runnerkit/archives/<key>"),
    ("run_logs", "GET", "/_runnerkit/run-logs/<key>"),
    ("upload", "PUT", "/_runnerkit/artifacts/<key>"),
    ("download", "GET", "/_runnerkit/artifacts/<key>"),
    ("artifacts", "GET", "/_runnerkit/artifacts"),
    ("identity", "GET", "/_runnerkit/identity"),
)


@dataclass(slots=True)
class Session:
    """A listener's connection; ``heard`` is on this process's monotonic clock."""

    runner_id: int
    heard: float
    waiting: int = 0


@cache
def _map() -> Map:
    """One for all worlds: every rule is compiled, which takes its time."""
    return Map([Rule(path, methods=[method], endpoint=endpoint) for endpoint, method, path in ENDPOINTS])


class Machines:
    """Answers listeners. One unheard of for ``patience`` real seconds has lost its connection."""

    def __init__(self, state: State, tokens: Tokens, patience: float = 15.0) -> None:
        self.patience = patience
        self.credentials = Credentials(state, tokens)
        self.identities = Identities(state)
        self._state = state
        self._sessions: dict[str, Session] = {}
        self._closed = False
        state.watchers.append(self._notice_silence)
        self._handlers: dict[str, Callable[[Request, str], Response]] = {
            "connect": self._connect,
            "job": self._job,
            "renew": self._renew,
            "write": self._write,
            "finish": self._finish,
            "leave": self._leave,
            "action": self._action,
            "log": self._log,
            "archive": self._archive,
            "run_logs": self._run_logs,
            "upload": self._upload,
            "download": self._download,
            "artifacts": self._artifacts,
            "identity": self._identity,
        }

    def close(self) -> None:
        """End all long polls."""
        with self._state.moved:
            self._closed = True
            self._state.moved.notify_all()

    @property
    def sessions(self) -> int:
        """How many listeners are known."""
        return len(self._sessions)

    def respond(self, request: Request, path: str) -> Response:
        """Answer one call of a listener."""
        try:
            endpoint, variables = _map().bind("").match(path, method=request.method)
            return self._handlers[endpoint](request, variables.get("key", ""))
        except HTTPException as error:
            return shown({"message": error.description}, error.code or HTTPStatus.NOT_FOUND)
        except Refused as error:
            return shown({"message": error.message}, error.reason.value)

    def _connect(self, request: Request, _: str) -> Response:
        said = object_of(request)
        blob, version, system = (str(said.get(name, "")) for name in ("jit_config", "version", "os"))
        with self._state.open():
            runner = registrations.connect(
                self._state, blob, version=version or self._state.options.runner_version, system=system or "linux"
            )
            key = secrets.token_urlsafe(16)
            self._sessions[key] = Session(runner.id, time.monotonic())
            return shown({"session": key, "runner_id": runner.id, "name": runner.name}, HTTPStatus.CREATED)

    def _heard(self, key: str) -> tuple[Session, Runner]:
        session = self._sessions.get(key)
        runner = registrations.known_runner(self._state, session.runner_id) if session else None
        if session is None or runner is None:
            raise Refused(Reason.MISSING, "The runner no longer exists on the server.")
        session.heard = time.monotonic()
        runner.offline_at = None
        return session, runner

    def _job(self, request: Request, key: str) -> Response:
        until = time.monotonic() + min(LONGEST_WAIT, request.args.get("wait", 0.0, float))
        with self._state.open():
            session, _ = self._heard(key)
            session.waiting += 1
        try:
            return self._wait(key, until, request.host_url.rstrip("/"))
        finally:
            with self._state.moved:
                session.waiting -= 1

    def _wait(self, key: str, until: float, server: str) -> Response:
        while True:
            with self._state.open(reading=True, patience=TICK / 2):
                _, runner = self._heard(key)
                if runner.job_id is not None:
                    return shown(self._message(self._state.live.jobs[runner.job_id], server), HTTPStatus.OK)
                left = until - time.monotonic()
                if left <= 0 or self._closed:
                    return Response(status=HTTPStatus.ACCEPTED)
                self._state.moved.wait(min(left, TICK))

    def _message(self, job: Job, server: str) -> dict[str, Any]:
        run = self._state.live.runs[job.run_id]
        issued = self.credentials.of(run, job)
        return {
            "job_id": job.id,
            "run_id": run.id,
            "run_attempt": job.attempt,
            "run_number": run.number,
            "name": job.name,
            "labels": list(job.labels),
            "repository": job.repository,
            "head_sha": run.head_sha,
            "event": run.event,
            "payload": job.payload,
            "secrets": issued.secrets,
            "actions": library.actions(self._state, job.repository, job.payload),
            "runtime_token": issued.runtime_token,
            "urls": {"server": server, "api": server, "runtime": f"{server}/_runnerkit/artifacts"},
            "identity": {"url": f"{server}/_runnerkit/identity?api-version=2.0", "token": issued.id_token}
            if issued.id_token
            else {},
        }

    def _running(self, key: str) -> Job:
        _, runner = self._heard(key)
        if runner.job_id is None:
            raise Refused(Reason.CONFLICT, f"runner {runner.name} runs no job")
        return self._state.live.jobs[runner.job_id]

    def _renew(self, _: Request, key: str) -> Response:
        with self._state.open(reading=True):
            return shown({"cancelled": self._running(key).cancel_asked_at is not None}, HTTPStatus.OK)

    def _write(self, request: Request, key: str) -> Response:
        said = object_of(request)
        # Nobody waits for a log, so nobody is woken by it.
        with self._state.open(reading=True):
            job = self._running(key)
            jobs.append_log(job, int(said.get("step") or 0), str(said.get("text") or ""))
            job.steps = said.get("steps") or job.steps
            return shown({"cancelled": job.cancel_asked_at is not None}, HTTPStatus.OK)

    def _finish(self, request: Request, key: str) -> Response:
        said = object_of(request)
        with self._state.open():
            job, conclusion = self._running(key), jobs.checked_conclusion(str(said.get("conclusion", "success")))
            job.annotations.extend(map(str, said.get("annotations") or []))
            job.steps = said.get("steps") or job.steps
            job.log = str(said.get("log", job.log))
            job.outputs = {str(name): str(value) for name, value in (said.get("outputs") or {}).items()}
            job.summaries = [str(each) for each in said.get("summaries") or []]
            jobs.finish(self._state, job, conclusion)
            return shown({"job_id": job.id}, HTTPStatus.OK)

    def _leave(self, _: Request, key: str) -> Response:
        with self._state.open():
            runner = self._heard(key)[1]
            registrations.lose(self._state, runner)
            del self._sessions[key]
            return Response(status=HTTPStatus.NO_CONTENT)

    def _action(self, request: Request, key: str) -> Response:
        with self._state.open(reading=True):
            job = self._running(key)
            found = library.actions(self._state, job.repository, job.payload).get(request.args.get("name", ""))
            if found is None:
                raise missing()
            return archive(self._state.git.run(found["repository"], "archive", "--format=tar", found["sha"]), "x-tar")

    def _log(self, _: Request, key: str) -> Response:
        with self._state.open(reading=True):
            job = self._state.live.jobs.get(int(key)) if key.isdecimal() and key.isascii() else None
            if job is None:
                raise missing()
            return Response(job.log, content_type="text/plain; charset=utf-8")

    def _archive(self, _: Request, key: str) -> Response:
        with self._state.open(reading=True):
            found = self._state.artifacts.get(int(key)) if key.isdecimal() and key.isascii() else None
            if found is None:
                raise missing()
            return archive(found.data)

    def _run_logs(self, _: Request, key: str) -> Response:
        with self._state.open(reading=True):
            files = logfiles.of_attempt(self._state, key)
        return archive(logfiles.packed(files))

    def _upload(self, request: Request, name: str) -> Response:
        data = request.get_data()
        with self._state.open(reading=True):
            run = self.credentials.run_of(request.headers.get("Authorization", ""))
            kept = artifacts.keep(self._state, run, name, data)
            return shown({"id": kept.id, "size": len(kept.data)}, HTTPStatus.CREATED)

    def _download(self, request: Request, name: str) -> Response:
        with self._state.open(reading=True):
            run = self.credentials.run_of(request.headers.get("Authorization", ""))
            return archive(artifacts.named(self._state, run, name).data)

    def _artifacts(self, request: Request, _: str) -> Response:
        with self._state.open(reading=True):
            run = self.credentials.run_of(request.headers.get("Authorization", ""))
            found = artifacts.of_run(self._state, run)
        listed = [{"id": each.id, "name": each.name, "size": len(each.data)} for each in found]
        return shown({"artifacts": listed}, HTTPStatus.OK)

    def _identity(self, request: Request, _: str) -> Response:
        with self._state.open(reading=True):
            job = self.credentials.job_of(request.headers.get("Authorization", ""))
            run = self._state.live.runs[job.run_id]
            token = self.identities.token(run, job, request.args.get("audience", ""))
        return shown({"count": len(token), "value": token}, HTTPStatus.OK)

    def _notice_silence(self) -> None:
        now = time.monotonic()
        for key, session in list(self._sessions.items()):
            runner = registrations.known_runner(self._state, session.runner_id)
            if runner is None:
                del self._sessions[key]
            elif not session.waiting and now - session.heard > self.patience:
                registrations.lose(self._state, runner)
