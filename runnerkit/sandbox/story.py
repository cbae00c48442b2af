"""The main job, played in a sandbox by runnerkit's own commands: from the pull request to nothing left."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runnerkit.errors import ConfigError
from runnerkit.sandbox.controller import Controller
from runnerkit.sandbox.ending import Ending, Machine, Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.sandbox.github.records import Job, Run
    from runnerkit.sandbox.together import Sandbox

REPOSITORY = "acme/train-and-serve"
EXAMPLE = "train-and-serve"
BRANCH = "wider-network"
TITLE = "Give the network more neurons"
BODY = "It still errs where the classes overlap. More neurons should help; the pipeline tells."
BUCKET = "acme-models"
LOOK_EVERY = 0.1
CONTROLLER_UP_WITHIN = 30.0
# Seconds of warning in the story of the interruption; AWS gives 120, which nobody wants to watch.
NOTICE = 36.0
# Epochs in that story: long enough for the notice to come in the middle.
LONG_TRAINING = 150


def example() -> Path:
    """The folder of the example repository: in a checkout, or in the installed package.

    Raises:
        ConfigError: This installation has neither.
    """
    package = Path(__file__).parents[1]
    for place in (package / "sandbox" / "examples", package.parent / "examples"):
        if (place / EXAMPLE / "dvc.yaml").exists():
            return place / EXAMPLE
    raise ConfigError("the example repository is not in this installation", hint="install runnerkit from its wheel")


class MainJob:
    """One story. ``tell`` hears the moments and ``log`` the job's log, both from the calling thread.

    Args:
        sandbox: Where it is played; its repository must be new.
        tell: Hears what happens.
        log: Hears the lines of the job's log.
        interrupt: AWS takes the machine back in the middle of the training.
        no_capacity: No spot machine can be had.
        limit: Seconds after which the story is given up.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        tell: Callable[[Moment], None],
        log: Callable[[str], None],
        *,
        interrupt: bool = False,
        no_capacity: bool = False,
        limit: float = 300.0,
    ) -> None:
        self._sandbox = sandbox
        self._tell, self._log = tell, log
        self._interrupt, self._no_capacity = interrupt, no_capacity
        self._limit = limit
        self._ending = Ending()
        self._began = time.monotonic()
        self._events: list[Mapping[str, Any]] = []
        self._taken = 0
        self._seen: set[tuple[object, ...]] = set()
        self._logged: dict[int, int] = {}
        self._prices: dict[str, tuple[str, float | None]] = {}

    def play(self) -> Ending:
        """Play it to its end, or until its limit."""
        with Controller(self._sandbox, self._events.append) as controller:
            self._prepare()
            self._await_controller(controller)
            run = self._open_pull_request()
            while not self._ending.trouble and not self._look(run):
                if controller.gone:
                    self._ending.trouble = "the controller ended: " + " ".join(controller.said[-5:])
                elif time.monotonic() - self._began > self._limit:
                    self._ending.trouble = f"it was not over after {self._limit:.0f} s"
                time.sleep(LOOK_EVERY)
        self._finish(run)
        return self._ending

    # --- the beginning ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """What a team has before the story begins: a repository, a bucket, a role, and the branch."""
        sandbox, github = self._sandbox, self._sandbox.github
        sandbox.aws("s3").create_bucket(Bucket=BUCKET)
        github.set_variable(sandbox.repository, "AWS_ROLE_ARN", "arn:aws:iam::210000000001:role/train-and-serve")
        github.seed(sandbox.repository, example())
        if self._no_capacity:
            sandbox.ec2.capacity("*", "*", "spot", 0)
        files = change(example(), epochs=LONG_TRAINING if self._interrupt else None)
        github.push(sandbox.repository, files, branch=BRANCH, message=TITLE)

    def _await_controller(self, controller: Controller) -> None:
        """A controller is up before anybody opens a pull request; its first pass reads AWS's catalogue."""
        until = time.monotonic() + CONTROLLER_UP_WITHIN
        while not self._events and not controller.gone and time.monotonic() < until:
            time.sleep(LOOK_EVERY)
        self._events.clear()

    def _open_pull_request(self) -> Run:
        sandbox, github = self._sandbox, self._sandbox.github
        self._began = time.monotonic()
        pull = github.open_pull_request(sandbox.repository, head=BRANCH, title=TITLE, body=BODY)
        self._ending.page = f"{github.url}/{sandbox.repository}/pull/{pull.number}"
        self._say("pull-request-opened", f"pull request #{pull.number} opened: {pull.title}")
        with github.state.open(reading=True):
            runs = [run for run in github.state.live.runs.values() if run.pull_number == pull.number]
        if not runs or runs[0].problem:
            raise ConfigError(f"GitHub started no run: {runs[0].problem if runs else 'no workflow was triggered'}")
        return runs[0]

    # --- looking ------------------------------------------------------------------------------------------------------

    def _look(self, run: Run) -> bool:
        """Tell what is new; whether all is over."""
        self._hear()
        self._watch_machines()
        jobs = self._sandbox.github.jobs(run)
        for job in jobs:
            self._follow(job)
        self._watch_comments(run)
        if self._interrupt and len(run.attempts) == 1:
            self._maybe_interrupt(jobs)
            return False
        over = bool(jobs) and all(job.status == "completed" for job in jobs)
        return over and all(machine.ended is not None for machine in self._ending.machines)

    def _once(self, *key: object) -> bool:
        new = key not in self._seen
        self._seen.add(key)
        return new

    def _say(self, what: str, text: str) -> None:
        moment = Moment(round(time.monotonic() - self._began, 2), what, text)
        self._ending.timeline.append(moment)
        self._tell(moment)

    def _hear(self) -> None:
        """What the controller told since the last look."""
        while self._taken < len(self._events):
            event = self._events[self._taken]
            self._taken += 1
            self._tell_event(event)

    def _tell_event(self, event: Mapping[str, Any]) -> None:
        place = "{type} in {zone}, {market}".format_map({"type": "", "zone": "", "market": "", **event})
        price = event.get("price")
        cost = "price unknown" if price is None else f"${price:.3f} an hour"
        match event.get("event"):
            case "offering-chosen":
                self._say("offering-chosen", f"{place}, {cost}: the cheapest of {event['candidates']} that fit")
            case "offering-refused" if self._once("refused", json.dumps(event.get("refusal"), sort_keys=True)):
                refusal = event["refusal"]
                where = f"{refusal['type']} in {refusal['zone']}, {refusal['market']}"
                self._say("offering-refused", f"{where}: {refusal['code']}")
            case "instance-launched":
                self._prices[str(event["instance"])] = str(event["runner"]), price
                self._say("instance-launched", f"{event['instance']}: {place}, {cost}")
            case "run-repeated":
                self._say("run-repeated", f"the failed jobs run again (attempt {event['attempt']})")
            case "job-refused" | "launch-failed" | "action-failed":
                self._say(str(event["event"]), str(event["error"]["message"]))
            case _:
                pass

    def _follow(self, job: Job) -> None:
        if self._once("queued", job.id):
            self._say("job-queued", f"{job.name} waits for runs-on: {', '.join(job.labels)}")
        if job.started_at and self._once("started", job.id):
            self._say("job-started", f"{job.name} runs on {job.runner_name}")
        for line in self._new_lines(job):
            self._log(line)
        if job.status == "completed" and self._once("completed", job.id):
            for annotation in job.annotations:
                self._log(f"! {annotation}")
            self._say("job-completed", f"{job.name}: {job.conclusion}")

    def _new_lines(self, job: Job) -> list[str]:
        done = self._logged.get(job.id, 0)
        end = job.log.rfind("\n") + 1
        self._logged[job.id] = max(done, end)
        return [re.sub(r"^\S+Z ", "", line) for line in job.log[done:end].splitlines()]

    def _watch_machines(self) -> None:
        known = {machine.view.id: machine for machine in self._ending.machines}
        for view in self._sandbox.ec2.instances():
            machine = known.get(view.id)
            if machine is None:
                runner, price = self._prices.get(view.id, (view.tags.get("runnerkit:runner", ""), None))
                machine = Machine(view, runner, price, self._now())
                self._ending.machines.append(machine)
            machine.view = view
            if machine.price is None:
                machine.price = self._prices.get(view.id, ("", None))[1]
            self._watch(machine)

    def _watch(self, machine: Machine) -> None:
        view = machine.view
        if view.state == "running" and view.id in self._prices and self._once("booting", view.id):
            self._say("instance-booting", f"{view.id} boots from its image")
        if view.state != "terminated" and self._online(machine.runner) and self._once("online", view.id):
            self._say("runner-online", f"{machine.runner} listens for its one job")
        if view.notice and self._once("notice", view.id):
            self._say("spot-notice", f"AWS takes {view.id} back in {NOTICE:.0f} s")
        if view.state in {"shutting-down", "terminated"} and machine.ended is None:
            machine.ended = self._now()
            self._say(
                "instance-terminated", f"{view.id} after {machine.ended - machine.launched:.1f} s ({view.reason})"
            )

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _online(self, runner: str) -> bool:
        return any(each.name == runner and each.online for each in self._sandbox.github.runners())

    def _watch_comments(self, run: Run) -> None:
        state = self._sandbox.github.state
        with state.open(reading=True):
            comments = [each for each in state.comments.values() if each.number == run.pull_number]
        for comment in comments:
            if self._once("comment", comment.id, comment.updated_at):
                written = "written" if comment.created_at == comment.updated_at else "brought up to date"
                self._say("report-written", f"the report on the pull request is {written}")
                self._ending.report = comment.body

    def _maybe_interrupt(self, jobs: list[Job]) -> None:
        trains = [job for job in jobs if job.status == "in_progress" and "Running stage 'train'" in job.log]
        for machine in self._ending.machines:
            if trains and machine.runner == trains[0].runner_name and self._once("interrupted", machine.view.id):
                self._sandbox.ec2.interrupt(machine.view.id, NOTICE)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _finish(self, run: Run) -> None:
        ending, sandbox = self._ending, self._sandbox
        self._look(run)
        jobs = sandbox.github.jobs(run)
        ending.attempts = len(run.attempts)
        ending.conclusion = run_conclusion(jobs)
        ending.runner = jobs[0].runner_name or "" if jobs else ""
        spans = [(job.started_at, job.completed_at) for job in jobs]
        ending.job_seconds = sum((end - start).total_seconds() for start, end in spans if start and end)
        ending.metrics = self._metrics(run)
        ending.left = sandbox.left()
        counted = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in ending.left.items())
        self._say("nothing-left" if not any(ending.left.values()) else "something-left", counted)
        ending.seconds = self._now()

    def _metrics(self, run: Run) -> dict[str, Any]:
        """What the pipeline measured, from the artifact that the workflow uploaded."""
        state = self._sandbox.github.state
        with state.open(reading=True):
            artifacts = [each for each in state.artifacts.values() if each.run_id == run.id]
        for artifact in artifacts:
            with zipfile.ZipFile(io.BytesIO(artifact.data)) as archive:
                for name in archive.namelist():
                    if Path(name).name == "metrics.json":
                        said = json.loads(archive.read(name))
                        return said if isinstance(said, dict) else {}
        return {}


def run_conclusion(jobs: list[Job]) -> str:
    """How a run ended: the worst of its jobs."""
    found = {job.conclusion or job.status for job in jobs}
    return next((each for each in ("failure", "cancelled", "in_progress", "queued") if each in found), "success")


def change(folder: Path, epochs: int | None = None) -> dict[str, str]:
    """What the pull request changes: a wider network, and where asked for a longer training."""
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    changed = _set(params, "hidden", 48)
    return {"params.yaml": changed if epochs is None else _set(changed, "epochs", epochs)}


def _set(params: str, name: str, value: int) -> str:
    changed, found = re.subn(rf"(?m)^(\s*{name}:\s*)\d+", rf"\g<1>{value}", params, count=1)
    if not found:
        raise ConfigError(f"params.yaml of the example has no {name} to change")
    return changed
