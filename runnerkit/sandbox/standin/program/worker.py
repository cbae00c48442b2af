"""Runs one job: reads it from standard input, lets act run its steps, tells the service, exits with the result.

Standard input goes on to say ``{"stop": "user"}`` or ``{"stop": "shutdown"}``; when it ends without a word the
listener is gone, and the job's processes are ended without telling anybody, as on a machine that lost its runner.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from . import fetching, workflow
from .acting import Act, Place
from .containing import clear_away
from .diary import Diary
from .lines import Masks
from .progress import Progress
from .reporter import Reporter
from .schedule import bearing, send
from .setting import Root, literals, step_environment
from .stopping import Stopping
from .unsticking import Watchdog

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = {"success": 100, "failure": 102, "cancelled": 103}
TICK = 0.03
GONE = 1
LONGEST_MINUTES = 360
SHUTDOWN = (
    "The runner has received a shutdown signal. This can happen when the runner service is stopped, or a manually"
    " started runner is canceled."
)


def main(root: Path) -> int:
    """Run the job that standard input tells, and give the process's exit code."""
    told = json.loads(sys.stdin.readline())
    said: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(said,), daemon=True).start()
    job = Worker(Root(root), told, said)
    return job.run()


def _listen(said: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        said.put(str(json.loads(line)["stop"]))
    said.put("gone")


class Worker:
    """One job from beginning to end."""

    def __init__(self, root: Root, told: dict[str, Any], said: SimpleQueue[str]) -> None:
        self._root = root
        self._message: dict[str, Any] = told["message"]
        self._payload: dict[str, Any] = self._message.get("payload") or {}
        self._github: dict[str, Any] = self._payload.get("github") or {}
        self._said = said
        self._diary = Diary(root.path, "Worker")
        self._secrets = {name: str(value) for name, value in (self._message.get("secrets") or {}).items()}
        tokens = [self._message.get("runtime_token"), (self._message.get("identity") or {}).get("token")]
        self._masks = Masks([*self._secrets.values(), *(str(token or "") for token in tokens)])
        self._service = (str(told["service"]), str(told["session"]))
        self._reporter = Reporter(told["service"], told["session"], self._diary.note)
        self._folders = root.folders(str(self._message.get("repository") or "acme/repository"), told["work_folder"])
        self._until = time.monotonic() + 60 * float(
            self._payload.get("job", {}).get("timeout_minutes") or LONGEST_MINUTES
        )

    def run(self) -> int:
        """Run it and give the code of its result."""
        event = str(self._github.get("event_name") or self._message.get("event") or "push")
        actions = self._message.get("actions") or {}
        try:
            fetched = fetching.fetch(actions, *self._service, self._folders.actions)
            setting = self._root.setting(literals(self._root, self._folders, self._payload), fetched)
            plan = workflow.plan(self._payload, event, setting)
        except (fetching.NotFetched, workflow.Refused) as refused:
            return self._refuse(str(refused))
        plan.local_repositories = self._root.local_repositories(self._payload, fetching.named(actions)) | fetched
        progress = Progress(plan.steps, self._folders.state, self._masks, self._reporter)
        progress.set_up(self._about())
        try:
            act = self._start(plan)
        except OSError as error:
            return self._refuse(f"{self._root.act} cannot be started: {error.strerror}; is it for this processor?")
        stopping = Stopping(act, self._folders.state, self._diary.note)
        try:
            self._watch(act, progress, stopping)
        finally:
            act.kill()
            self._end_orphans()
            if plan.contained:
                clear_away(self._root.engine, self._root.tracking)
        return self._finish(act, progress, stopping)

    def _about(self) -> list[str]:
        name = self._root.settings.get("AgentName", "")
        lines = [f"Current runner version: '{self._root.version}' (runnerkit's stand-in)", f"Runner name: '{name}'"]
        return [*lines, f"Job name: '{self._message.get('name', '')}'", "Prepare workflow directory"]

    def _start(self, plan: workflow.Plan) -> Act:
        folders = self._folders
        given = step_environment(self._root, folders, self._message)
        told = {"workspace": str(folders.workspace), "env": given, "pace": self._root.pace}
        if plan.contained:
            told["container"] = self._root.inside(folders)
        (folders.state / "told.json").write_text(json.dumps(told))
        (folders.state / "runtime.json").write_text(json.dumps(self._runtime()))
        (folders.temp / "_github_workflow").mkdir(exist_ok=True)
        event = folders.temp / "_github_workflow" / "event.json"
        event.write_text(json.dumps(self._github.get("event") or {}))
        place = Place(
            self._root.act, self._root.shims, folders.workspace, folders.state, folders.actions, plan.contained
        )
        self._diary.note(f"{len(plan.steps)} steps by {self._root.act}")
        return Act(
            place,
            plan,
            self._github | {"event_name": next(iter(plan.workflow["on"]))},
            {
                "env": given | {"SHA_REF": given.get("GITHUB_SHA", "")},
                "secrets": self._secrets,
            },
        )

    def _runtime(self) -> dict[str, Any]:
        permissions = self._payload.get("permissions") or {}
        return {
            "url": (self._message.get("urls") or {}).get("runtime", ""),
            "token": str(self._message.get("runtime_token") or ""),
            "id_token": permissions.get("id-token") == "write",
            "engine": self._root.engine,
        }

    def _watch(self, act: Act, progress: Progress, stopping: Stopping) -> None:
        watchdog = Watchdog(act, self._diary.note)
        while not stopping.over and (running := act.process.poll() is None) | bool(told := act.read()):
            for line in told:
                progress.hear(line)
            progress.look()
            watchdog.look(busy=bool(told) or not stopping.between_steps)
            # An act that has not yet said a word would die of the signal that tells it of a cancellation.
            if progress.heard or stopping.asked == "shutdown":
                stopping.go_on(progress.current)
            self._hear(progress, stopping)
            if running and not told:
                time.sleep(TICK)

    def _hear(self, progress: Progress, stopping: Stopping) -> None:
        try:
            stopping.ask(self._said.get_nowait())
        except Empty:
            if time.monotonic() > self._until:
                stopping.ask("timeout")
        if stopping.asked:
            progress.interrupt()
        late = progress.late()
        if late is not None:
            stopping.end_step(late)

    def _end_orphans(self) -> None:
        mark = f"RUNNER_TRACKING_ID={self._root.tracking}"
        for each in bearing(mark):
            if each != os.getpid():
                self._diary.note(f"Terminate orphan process: pid ({each})")
                send(each, 9)

    def _finish(self, act: Act, progress: Progress, stopping: Stopping) -> int:
        if stopping.asked == "gone":
            self._diary.note("the listener is gone; nobody is told", "ERR")
            return GONE
        conclusion = progress.close(stopping.asked)
        if conclusion == "failure" and not progress.annotations and not stopping.asked:
            progress.annotations.append(f"The job could not be run. act said: {act.errors()}")
        outputs = self._outputs(progress)
        notes = {"shutdown": [SHUTDOWN], "timeout": [self._too_long()]}
        body = {
            "conclusion": conclusion,
            "annotations": notes.get(stopping.asked, []) + progress.annotations,
            "steps": progress.steps(),
            "outputs": outputs,
            "summaries": progress.summaries,
        }
        self._reporter.finish(body)
        shutil.rmtree(self._folders.temp, ignore_errors=True)
        return RESULTS[conclusion]

    def _too_long(self) -> str:
        minutes = self._payload.get("job", {}).get("timeout_minutes")
        name = self._root.settings.get("AgentName", "")
        return f"The job running on runner {name} has exceeded the maximum execution time of {minutes} minutes."

    def _outputs(self, progress: Progress) -> dict[str, str]:
        path = self._folders.state / "outputs.json"
        values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        for name in [name for name, value in values.items() if self._masks.hides(value)]:
            del values[name]
            progress.annotations.append(f"Skip output '{name}' since it may contain secret.")
        return values

    def _refuse(self, why: str) -> int:
        steps = [workflow.Step("Set up job"), workflow.Step("Complete job")]
        progress = Progress(steps, self._folders.state, self._masks, self._reporter)
        progress.set_up([*self._about(), f"##[error]{why}"])
        progress.fail_first()
        body = {"conclusion": "failure", "annotations": [why], "steps": progress.steps()}
        self._reporter.finish(body)
        return RESULTS["failure"]
