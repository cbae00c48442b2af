"""The listener: connects, waits for its one job, starts a worker for it, leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .containing import clear_away
from .diary import Diary
from .registration import NotConfigured, forget, pack, settings, unpack
from .reporter import Reporter
from .service import Service, Unreachable

if TYPE_CHECKING:
    from pathlib import Path

DONE, TERMINATED, RETRY, CONFLICT, DEPRECATED = 0, 1, 2, 5, 7
BLOB = "ACTIONS_RUNNER_INPUT_JITCONFIG"
POLL = 20.0
RENEW, FASTEST = 3.0, 0.2
CONFLICT_EVERY, CONFLICT_FOR = 30.0, 240.0
BACK_OFF, ERRORS = 15.0, 10
RESULTS = {100: "Succeeded", 102: "Failed", 103: "Canceled"}
GONE = "The runner no longer exists on the server. Cleaning up local configuration."


class Leave(Exception):
    """The listener ends with an exit code."""

    def __init__(self, code: int, why: str = "") -> None:
        super().__init__(why)
        self.code = code


class Listener:
    """One listener, for one job."""

    def __init__(self, root: Path, version: str) -> None:
        self._root = root
        self._version = version
        self._diary = Diary(root, "Runner")
        self._pace = float(os.environ.get("RUNNERKIT_STANDIN_PACE", "1"))
        # Signals, answers of the service and the worker's end all arrive here.
        self._inbox: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def run(self, blob: str | None) -> int:
        """Serve and give the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._inbox.put(("signal", number)))
        try:
            return self._serve(blob)
        except NotConfigured as error:
            self._diary.say(str(error))
            return TERMINATED
        except Leave as leave:
            if str(leave):
                self._diary.say(str(leave))
            return leave.code

    def _serve(self, blob: str | None) -> int:
        if blob is not None:
            unpack(blob, self._root)
        self._settings = settings(self._root)
        self._service = Service(str(self._settings["ServerUrl"]))
        self._leave_when_told()
        session = self._connect(blob or pack(self._root))
        self._diary.say(f"Current runner version: '{self._version}'")
        self._diary.tell("Listening for Jobs")
        return self._job(session, self._wait(session))

    def _leave_when_told(self) -> None:
        told = os.environ.get("RUNNERKIT_STANDIN_EXIT")
        if told is not None:
            raise Leave(int(told), f"Leaving with {told}, as RUNNERKIT_STANDIN_EXIT tells.")

    def _connect(self, blob: str) -> str:
        body = {"jit_config": blob, "version": self._version, "os": "linux"}
        conflicts, errors = 0, 0
        while True:
            try:
                status, answer = self._service.call("POST", "sessions", body)
            except Unreachable as error:
                errors += 1
                self._back_off(errors, error)
                continue
            if status == 201:  # noqa: PLR2004 - HTTP's Created
                self._diary.say("\n\u221a Connected to GitHub\n")
                return str(answer["session"])
            if status != 409:  # noqa: PLR2004 - HTTP's Conflict
                raise self._refused(status, answer)
            conflicts += 1
            self._diary.say("A session for this runner already exists.")
            if conflicts * CONFLICT_EVERY > CONFLICT_FOR:
                raise Leave(CONFLICT, "A session for this runner exists elsewhere. Stop retry on SessionConflict.")
            self._sleep(CONFLICT_EVERY)

    def _refused(self, status: int, answer: object) -> Leave:
        said = str(answer.get("message", answer) if isinstance(answer, dict) else answer)
        if "deprecated" in said.lower():
            wanted = os.environ.get("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE")
            return Leave(DEPRECATED if wanted else TERMINATED, f"An error occured: {said}")
        return Leave(TERMINATED, f"Failed to create a session. {said} (HTTP {status})")

    def _back_off(self, errors: int, error: Exception) -> None:
        self._diary.note(f"error {errors}: {error}", "ERR")
        if errors == 1:
            self._diary.tell("Runner connect error: " + str(error) + ". Retrying until reconnected.")
        if errors >= ERRORS:
            raise Leave(RETRY, "The service could not be reached; the runner may be started again.")
        self._sleep(BACK_OFF)

    def _sleep(self, seconds: float) -> None:
        # A signal ends the wait, and with it the listener: nothing has begun yet.
        timer = threading.Timer(seconds * self._pace, self._inbox.put, (("waited", None),))
        timer.daemon = True
        timer.start()
        if self._inbox.get()[0] == "signal":
            raise Leave(DONE, "Exiting...")

    def _wait(self, session: str) -> dict[str, Any]:
        threading.Thread(target=self._poll, args=(session,), daemon=True).start()
        while True:
            kind, told = self._inbox.get()
            if kind == "signal":
                self._end_session(session)
                raise Leave(DONE, "Exiting...")
            if kind == "gone":
                forget(self._root)
                raise Leave(DONE, GONE)
            if kind == "lost":
                raise Leave(RETRY, f"The service could not be reached: {told}")
            if kind == "job":
                return dict(told)

    def _poll(self, session: str) -> None:
        service, errors = Service(self._service.url), 0
        while errors < ERRORS:
            try:
                status, answer = service.call("GET", f"sessions/{session}/job?wait={POLL:g}", patience=POLL + 20)
            except Unreachable as error:
                status, answer = 0, error
            if status == 200:  # noqa: PLR2004 - HTTP's OK
                return self._inbox.put(("job", answer))
            if status == 404:  # noqa: PLR2004 - HTTP's Not Found
                return self._inbox.put(("gone", None))
            errors = 0 if status == 202 else errors + 1  # noqa: PLR2004 - HTTP's Accepted: nothing yet
            if errors:
                self._diary.note(f"error {errors} while polling: {status} {answer}", "ERR")
                time.sleep(BACK_OFF * self._pace)
        return self._inbox.put(("lost", answer))

    def _end_session(self, session: str) -> None:
        try:
            self._service.call("DELETE", f"sessions/{session}", patience=5)
        except Unreachable as error:
            self._diary.note(f"the session could not be ended: {error}", "ERR")

    def _job(self, session: str, message: dict[str, Any]) -> int:
        name = message.get("name", "")
        self._diary.tell(f"Running job: {name}")
        worker = self._spawn(session, message)
        self._watch_over(session, worker)
        code = worker.wait()
        if code not in RESULTS:
            self._clear_away()
            self._report_crash(session, code)
            code = 102
        self._diary.tell(f"Job {name} completed with result: {RESULTS[code]}")
        forget(self._root)
        hosted = os.environ.get("ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED", "").lower() == "true"
        return code if hosted else DONE

    def _spawn(self, session: str, message: dict[str, Any]) -> subprocess.Popen[str]:
        worker = subprocess.Popen(  # noqa: S603 - our own worker
            [str(self._root / "bin" / "Runner.Worker"), "spawnclient"],
            stdin=subprocess.PIPE,
            cwd=self._root,
            text=True,
            # A terminal's Ctrl-C reaches the listener alone; it tells the worker.
            start_new_session=True,
        )
        work_folder = self._settings.get("WorkFolder") or "_work"
        told = {"service": self._service.url, "session": session, "message": message, "work_folder": work_folder}
        self._tell(worker, told)
        return worker

    def _tell(self, worker: subprocess.Popen[str], told: dict[str, Any]) -> None:
        assert worker.stdin is not None  # noqa: S101 - it is a pipe
        try:
            worker.stdin.write(json.dumps(told) + "\n")
            worker.stdin.flush()
        except BrokenPipeError:
            self._diary.note("the worker has left", "ERR")

    def _watch_over(self, session: str, worker: subprocess.Popen[str]) -> None:
        def ended() -> None:
            worker.wait()
            self._inbox.put(("ended", None))

        threading.Thread(target=ended, daemon=True).start()
        threading.Thread(target=self._renew, args=(session, worker), daemon=True).start()
        asked: set[str] = set()
        while (kind := self._inbox.get()[0]) != "ended":
            why = {"signal": "shutdown", "cancelled": "user"}.get(kind)
            if why is not None and why not in asked:
                asked.add(why)
                self._diary.note(f"the worker is told to stop: {why}")
                self._tell(worker, {"stop": why})

    def _renew(self, session: str, worker: subprocess.Popen[str]) -> None:
        service = Service(self._service.url)
        while worker.poll() is None:
            try:
                status, answer = service.call("POST", f"sessions/{session}/renew", patience=10)
                self._diary.note(f"renewed: {status}")
                if status in {404, 409} or (isinstance(answer, dict) and answer.get("cancelled")):
                    self._inbox.put(("cancelled", None))
            except Unreachable as error:
                self._diary.note(f"not renewed: {error}", "ERR")
            time.sleep(max(RENEW * self._pace, FASTEST))

    def _clear_away(self) -> None:
        engine = json.loads((self._root / "bin" / "standin.json").read_text()).get("engine")
        if engine:
            clear_away(str(engine))

    def _report_crash(self, session: str, code: int) -> None:
        why = f"The runner's worker process ended unexpectedly with exit code {code}; its log is in _diag."
        self._diary.note(why, "ERR")
        reporter = Reporter(self._service.url, session, partial(self._diary.note, level="ERR"))
        reporter.finish({"conclusion": "failure", "annotations": [why]})


def load_env(root: Path, environ: dict[str, str] | os._Environ[str]) -> None:
    """Take the variables of the file ``.env`` in the root, as the listener does before anything else."""
    path = root / ".env"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        name, equals, value = line.partition("=")
        if equals and name.strip():
            environ[name.strip()] = value


def main(root: Path, arguments: list[str]) -> int:
    """Do what the command line says."""
    load_env(root, os.environ)
    version = str(json.loads((root / "bin" / "standin.json").read_text())["version"])
    blob = os.environ.pop(BLOB, None)
    if "--version" in arguments:
        return _say(version, DONE)
    if arguments[:1] == ["run"]:
        return _run(root, version, arguments[1:], blob)
    if arguments[:1] == ["warmup"]:
        return DONE
    if arguments[:1] in (["configure"], ["remove"]):
        text = (
            f"This is runnerkit's stand-in for GitHub's runner: it cannot {arguments[0]}; it takes a JIT configuration."
        )
        return _say(text, TERMINATED)
    return _say("Usage: Runner.Listener run [--once] [--jitconfig BLOB] | warmup | --version", TERMINATED)


def _run(root: Path, version: str, arguments: list[str], blob: str | None) -> int:
    rest = iter(arguments)
    for each in rest:
        if each == "--jitconfig":
            blob = next(rest, "")
        elif each == "--startuptype":
            next(rest, "")
        elif each != "--once":
            _say(f"Unrecognized command-line input arguments: '{each}'.", DONE)
    return Listener(root, version).run(blob)


def _say(text: str, code: int) -> int:
    sys.stdout.write(text + "\n")
    return code
