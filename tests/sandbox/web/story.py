"""A plausible day at the local GitHub, so that every page has something to show."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runnerkit.sandbox.github import GitHubWorld, WorldClock, reporting
from runnerkit.sandbox.github.records import Artifact, Delivery, Environment, Hook, Issue, Job, Run, Runner
from tests.sandbox.web.writings import BODY, BROKEN, PLOT, QUESTION, REPORT, SUMMARY, TRAIN_LOG

REPO = "acme/train-and-serve"
DAWN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Told:
    """What the story brought into the world."""

    pull: Issue
    passed: Run
    running: Run
    waiting: Run
    failed: Run
    broken: Run
    stuck: Job
    train: Job
    prepare: Job
    artifact: Artifact
    world: GitHubWorld

    def jobs_of(self, run: Run) -> list[Job]:
        """List a run's jobs."""
        return self.world.jobs(run)


class Teller:
    """Tells the story; time passes on the world's clock."""

    def __init__(self, world: GitHubWorld, clock: WorldClock) -> None:
        self.world, self.clock, self.state = world, clock, world.state

    def tell(self) -> Told:
        """Fill the world."""
        world = self.world
        world.add_organization("acme")
        world.add_repository(REPO)
        world.add_repository("acme/labels", private=False)
        world.push(REPO, {"README.md": "# Train and serve\n", "train.py": "print('hello')\n"}, message="Begin")
        self._environments()
        passed = self._passed()
        failed = self._failed()
        broken = self._broken()
        world.push(REPO, {"plots/loss.svg": PLOT}, branch="longer-training", message="Train for 40 epochs")
        pull = world.open_pull_request(
            REPO, head="longer-training", title="Train for 40 epochs instead of 20", body=BODY
        )
        waiting, (prepare, train), stuck = self._waiting(), self._running(pull), self._stuck(pull)
        self._talk(pull)
        artifact = Artifact(
            self.state.next_id("artifact"),
            REPO,
            train.run_id,
            "model",
            b"PK\x05\x06" + bytes(348_190),
            world.clock.now(),
        )
        self.state.artifacts[artifact.id] = artifact
        self._hook()
        self.clock.advance(21)
        runs = self.state.live.runs
        return Told(pull, passed, runs[train.run_id], waiting, failed, broken, stuck, train, prepare, artifact, world)

    def _runner(self, name: str, labels: list[str]) -> Runner:
        number, now = self.state.next_id("runner"), self.clock.now()
        runner = Runner(number, f"repos/{REPO}", name, tuple(labels), 1, "c", now)
        self.state.live.runners[number] = runner
        return runner

    def _worked(self, job: Job, seconds: float, conclusion: str = "success", log: str = "") -> None:
        """Let a runner come, do the job and go."""
        runner = self._runner(f"rk-{job.id}-1", list(job.labels))
        self.clock.advance(14)
        self.world.runner_connects(runner.id)
        self.clock.advance(seconds)
        job.steps = steps(job, self.clock.now(), conclusion)
        job.step_logs = {3: log} if log else {}
        job.log = log
        self.world.finish_job(job, conclusion)

    def _run(self, title: str, jobs: list[dict[str, Any]], **more: Any) -> Run:  # noqa: ANN401 - of add_run
        """Push something with a message worth reading, and start a run of it."""
        sha = None
        if "pull_number" not in more:
            sha = self.world.push(REPO, {"notes.md": f"{title}\n"}, message=title)
        run = self.world.add_run(REPO, jobs, head_sha=sha, **more)
        run.title = title
        return run

    def _passed(self) -> Run:
        run = self._run(
            "Begin with a linear model",
            [
                {"name": "prepare", "labels": ["ubuntu-latest"], "key": "prepare"},
                {"name": "train", "labels": [f"runnerkit={21}/gpu=t4"], "key": "train", "needs": ["prepare"]},
            ],
        )
        for job in self.world.jobs(run):
            self._worked(job, 47)
        self.clock.advance(1900)
        return run

    def _failed(self) -> Run:
        labels = ["runnerkit=22/gpu=t4"]
        legs = [
            {"name": f"train ({seed})", "labels": labels, "key": "train", "needs": ["prepare"]} for seed in (1, 2, 3)
        ]
        last = {"name": "compare", "labels": labels, "needs": ["train"], "key": "compare", "status": "pending"}
        run = self._run("Compare three seeds", [{"name": "prepare", "labels": labels, "key": "prepare"}, *legs, last])
        first, *trained, compare = self.world.jobs(run)
        self._worked(first, 12)
        self._worked(trained[0], 95)
        self._worked(trained[1], 61, "failure", TRAIN_LOG.replace("epoch 17/40", "epoch 17/40\n") + OUT_OF_MEMORY)
        trained[1].annotations = ["Process completed with exit code 137.", "warning: The disk is 91 % full."]
        self._worked(trained[2], 92)
        self.world.finish_job(compare, "skipped")
        self.clock.advance(5400)
        return run

    def _broken(self) -> Run:
        run = self._run("Try a nightly run", [], workflow="nightly")
        run.path, run.text = ".github/workflows/nightly.yml", BROKEN
        run.problem = "nightly.yml:9: 'runs_on' is no key of a job; did you mean 'runs-on'?"
        self.clock.advance(610)
        return run

    def _waiting(self) -> Run:
        jobs = [
            {"name": "build", "labels": ["ubuntu-latest"], "key": "build"},
            {
                "name": "deploy",
                "labels": ["ubuntu-latest"],
                "key": "deploy",
                "needs": ["build"],
                "status": "waiting",
                "environment": "production",
            },
        ]
        run = self._run("Serve model 41", jobs, workflow="deploy", event="workflow_dispatch")
        self._worked(self.world.jobs(run)[0], 33)
        self.world.wait_for(run, "production")
        self.clock.advance(140)
        return run

    def _running(self, pull: Issue) -> tuple[Job, Job]:
        labels = ["runnerkit=21000000004/gpu=t4"]
        jobs = [
            {"name": "prepare", "labels": ["ubuntu-latest"], "key": "prepare"},
            {"name": "train", "labels": labels, "key": "train", "needs": ["prepare"], "status": "pending"},
            {"name": "evaluate", "labels": labels, "key": "evaluate", "needs": ["train"], "status": "pending"},
            {"name": "lint", "labels": ["ubuntu-latest"], "key": "lint"},
        ]
        run = self._run(pull.title, jobs, event="pull_request", pull_number=pull.number)
        prepare, train, _, lint = self.world.jobs(run)
        self._worked(prepare, 18)
        self._worked(lint, 9)
        prepare.summaries = [SUMMARY]
        self.world.release_job(train)
        runner = self._runner(f"rk-{train.id}-1", [*labels, "runnerkit-born-1795338000"])
        self.clock.advance(19)
        self.world.runner_connects(runner.id)
        self.clock.advance(38)
        train.steps = steps(train, self.clock.now(), None)
        train.step_logs = {1: SETUP_LOG, 3: TRAIN_LOG}
        self._runner("rk-63000000099-1", ["runnerkit=99/gpu=a10g"])
        idle = self._runner("rk-63000000042-1", ["runnerkit=42/gpu=t4", "self-hosted"])
        self.world.runner_connects(idle.id)
        return prepare, train

    def _stuck(self, pull: Issue) -> Job:
        run = self._run(
            pull.title,
            [{"name": "benchmark", "labels": ["self-hosted", "gpu=h100"]}],
            workflow="benchmark",
            event="pull_request",
            pull_number=pull.number,
        )
        return self.world.jobs(run)[0]

    def _talk(self, pull: Issue) -> None:
        assert pull.pull is not None
        bot = self.world.add_app("github-actions")
        self.world.add_user("github-actions[bot]")
        reporting.comment_on(self.state, REPO, pull.number, QUESTION, "hubot", None)
        self.clock.advance(4)
        comment = reporting.comment_on(self.state, REPO, pull.number, REPORT, "github-actions[bot]", bot.id)
        self.clock.advance(31)
        reporting.edit_comment(self.state, REPO, comment.id, REPORT)
        told = {"state": "success", "context": "metrics", "description": "accuracy 0.974, 0.012 more than main"}
        reporting.set_status(self.state, REPO, pull.pull.head_sha, told, "octocat")

    def _environments(self) -> None:
        for login in ("octocat", "hubot"):
            self.world.add_user(login)
        for name, reviewers in (("production", ("octocat", "hubot")), ("staging", ())):
            number = self.state.next_id("environment")
            self.state.environments[REPO, name] = Environment(number, REPO, name, self.clock.now(), reviewers)

    def _hook(self) -> None:
        hook = Hook(
            1, f"repos/{REPO}", "http://127.0.0.1:8099/hook", ("workflow_job", "push"), self.clock.now(), "s3cret"
        )
        self.state.hooks[hook.id] = hook
        for number, (status, action) in enumerate([(202, "queued"), (202, "in_progress"), (0, "completed")], 1):
            self.clock.advance(2)
            guid = f"6f1c9d2e-0000-4000-8000-00000000000{number}"
            body = f'{{\n  "action": "{action}",\n  "workflow_job": {{"name": "train"}}\n}}'
            now = self.clock.now()
            self.state.deliveries[number] = Delivery(
                number, guid, hook.id, "workflow_job", action, body, now, status, "ok" if status else "", duration=0.04
            )


SETUP_LOG = "2026-11-22T11:14:01.0000000Z Runner name: 'rk-1'\n2026-11-22T11:14:01.2000000Z Job is about to start\n"
OUT_OF_MEMORY = (
    "2026-11-22T09:40:12.1000000Z torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    "2026-11-22T09:40:12.4000000Z ##[error]Process completed with exit code 137.\n"
)
NAMES = ("Set up job", "Check out", "Train", "Upload the model", "Complete job")


def steps(job: Job, now: datetime, conclusion: str | None) -> list[dict[str, Any]]:
    """Say how far a job's steps are; without a conclusion the third one runs."""
    assert job.started_at is not None
    made = []
    for number, name in enumerate(NAMES, 1):
        begins = job.started_at + timedelta(seconds=number)
        done = conclusion is not None or number < 3
        status = "completed" if done else "in_progress" if number == 3 else "queued"
        ended = None if not done else "skipped" if conclusion == "failure" and number == 4 else "success"
        made.append(
            {
                "number": number,
                "name": name,
                "status": status,
                "conclusion": "failure" if conclusion == "failure" and number == 3 else ended,
                "started_at": begins.isoformat() if number <= 3 or done else None,
                "completed_at": (now if number == 3 else begins).isoformat() if done else None,
            }
        )
    return made
