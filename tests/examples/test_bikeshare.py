"""``examples/bikeshare``: only a better model serves, the service follows, new hours are scored every morning."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.examples.registries import PASSWORD, USER, base, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.ec2 import SandboxEc2
    from runnerkit.sandbox.github.records import Run
    from tests.examples.conftest import Play
    from tests.sandbox.containers.podman import Podman
    from tests.theatre import Theatre

HERE = Path(__file__).parents[2] / "examples" / "bikeshare"
BUCKET = "acme-models"
REGISTRY = "api/2.0/mlflow/registered-models/alias?name=bikeshare&alias="
HOUR = {"hour": 8, "weekday": 2, "holiday": 0, "weather": "clear"} | dict.fromkeys(
    ("temperature", "humidity", "windspeed"), 0.4
)
SHIPPED = (HERE / "params.yaml").read_text(encoding="utf-8")
WORSE, BETTER = SHIPPED.replace("[hour, ", "["), SHIPPED.replace("[hour, ", "[hour, weekday, holiday, ")
PATIENCE = 240.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def process(folder: Path, name: str, *command: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server beside the story, ended with it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / f"{name}.log").open("wb") as log:
        env = {**os.environ, "PATH": path, **environ}
        started = subprocess.Popen(command, cwd=HERE, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            yield started
        finally:
            os.killpg(started.pid, signal.SIGTERM)
            started.wait(timeout=30)


def said(url: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """What a server answers; None while it does not."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(url, data, timeout=30) as answer:
            return json.load(answer)
    except OSError:
        return None


class Team:
    """The theatre with the team's registry of models, and its service once there is one."""

    def __init__(self, theatre: Theatre, registry: str) -> None:
        self.theatre = theatre
        self.registry = registry
        self.s3 = theatre.world.aws("s3")

    def champion(self, alias: str = "champion") -> str | None:
        """Which version an alias names."""
        found = said(f"{self.registry}/{REGISTRY}{alias}")
        return None if found is None else str(found["model_version"]["version"])

    def train(self, params: str, message: str) -> Run:
        """Push params to main, which trains."""
        github = self.theatre.world.github
        before = {run.id for run in self.theatre.runs}
        github.push(self.theatre.repo, {"params.yaml": params}, message=message)
        (run,) = [each for each in self.theatre.runs if each.id not in before]
        return run

    def over(self, run: Run) -> str:
        """Wait for a run, which succeeds, and give the log of its last job."""

        def done() -> bool:
            jobs = self.theatre.jobs(run)  # none before its concurrency group lets it begin
            return bool(jobs) and all(job.status == "completed" for job in jobs)

        self.theatre.until(f"{run.title} is over", done, PATIENCE)
        jobs = self.theatre.jobs(run)
        assert {"success"} == {job.conclusion for job in jobs}, self.theatre.describe()
        return jobs[-1].log

    def comes_in(self, name: str, hours: int) -> None:
        """Put hours into the bucket, of which nobody knows the riders yet."""
        lines = (HERE / "data/hours.csv").read_text(encoding="utf-8").splitlines()
        unknown = [line.rsplit(",", 2)[0] for line in [lines[0], *lines[-hours:]]]
        self.s3.put_object(Bucket=BUCKET, Key=f"bikeshare/incoming/{name}", Body="\n".join(unknown).encode())

    def scored(self) -> list[tuple[str, str, int]]:
        """What was scored: each file with its first line and how many follow."""
        found = []
        for key in self.keys("scored/"):
            lines = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode().splitlines()
            found.append((key.rpartition("/")[2], lines[0], len(lines) - 1))
        return found

    def keys(self, below: str) -> list[str]:
        """What the bucket has below a prefix."""
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"bikeshare/{below}")
        return [each["Key"] for each in found.get("Contents", [])]


@pytest.fixture(scope="module")
def engine() -> Iterator[Podman]:
    """Podman and a registry of images."""
    with running() as podman:
        yield podman


@pytest.fixture
def team(play: Play, engine: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """The repository with all that its README asks for, and MLflow's server, whose models are on the sandbox's S3."""
    port = free_port()
    registry = f"http://127.0.0.1:{port}"
    variables = {"MLFLOW_TRACKING_URI": registry, "BUCKET": BUCKET, "AWS_REGION": "us-east-1"}
    variables |= {"REGISTRY": engine.registry.host, "REGISTRY_USER": USER, "BASE_IMAGE": base(engine)}
    theatre = play("bikeshare", bucket=BUCKET, variables=variables)
    monkeypatch.setenv("RUNNERKIT_SANDBOX_DOCKER_HOST", engine.address)
    theatre.world.github.set_secret(theatre.repo, "REGISTRY_PASSWORD", PASSWORD)
    # What `mlflow server` starts, without its other processes.
    store = {"_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{tmp_path}/registry.db", "_MLFLOW_SERVER_ARTIFACT_ROOT": BUCKET}
    command = ["gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", "mlflow.server:app"]
    with process(tmp_path, "registry", *command, **store):
        theatre.until("the registry is there", lambda: _alive(registry), PATIENCE)
        yield Team(theatre, registry)


def _alive(registry: str) -> bool:
    try:
        with urllib.request.urlopen(f"{registry}/health", timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_only_a_better_model_serves_and_new_hours_are_scored(team: Team, tmp_path: Path) -> None:
    """A first model, a worse one, a better one: the alias, the service that goes on and the scores follow the gate."""
    theatre, port = team.theatre, free_port()
    theatre.controller()
    (begin,) = theatre.runs
    first = team.over(begin)
    assert ("1", True) == (team.champion(), "there is no champion" in first)
    assert "'label': 'members'" in first, "the service was not asked inside of the job"
    environ = theatre.world.ec2.environment() | {"MLFLOW_TRACKING_URI": team.registry, "REFRESH": "0"}
    with process(tmp_path, "service", "gunicorn", "--preload", "--bind", f"127.0.0.1:{port}", "serve:app", **environ):
        team.comes_in("today.csv", hours=24)
        theatre.world.github.tag(theatre.repo, "service-1")
        tagged = theatre.runs[-1]
        (morning,) = theatre.world.github.fire_schedule(theatre.repo, "17 5 * * *")
        second = team.over(team.train(WORSE, "Forget the hour"))
        assert "version 2 stays a challenger" in second
        assert ("1", "2") == (team.champion(), team.champion("challenger"))
        team.over(morning)
        assert [("today-by-1.csv", "day,hour,label,probability", 24)] == team.scored()
        in_container = team.over(tagged)
        assert ("/service" in in_container, "'version': '1'" in in_container) == (True, True)
        theatre.until("the service is there", lambda: said(f"http://127.0.0.1:{port}/health"), PATIENCE)
        assert "1" == said(f"http://127.0.0.1:{port}/predict", HOUR)["version"]
        team.over(team.train(BETTER, "Know the weekday"))
        assert ("3", "1") == (team.champion(), team.champion("previous"))
        answer = said(f"http://127.0.0.1:{port}/predict", HOUR)
        assert ("members", "3") == (answer["label"], answer["version"])
        assert 0.5 <= answer["probability"] <= 1
    assert 3 == len([key for key in team.keys("mlflow/") if key.endswith("model.pkl")])
    theatre.ends("success", machines=5)


def test_a_bucket_in_another_region_is_told_before_any_work(ec2: SandboxEc2) -> None:
    """The words name both regions and what to do; a bucket beside the machine is fine."""
    import boto3

    make: Any = boto3.client
    for name, region in (("near", None), ("far", "eu-central-1")):
        more = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
        make("s3").create_bucket(Bucket=name, **more)
    near, far = (
        subprocess.run([sys.executable, "check_region.py", name], cwd=HERE, capture_output=True, text=True, check=False)
        for name in ("near", "far")
    )
    assert (0, 1) == (near.returncode, far.returncode), far.stderr
    assert "machine is in us-east-1, the bucket far in eu-central-1" in far.stdout
    assert "region=eu-central-1" in far.stdout
    assert ec2.instances() == []


def test_the_policies_cover_the_bucket_and_its_objects() -> None:
    """Who may list a bucket cannot read a model yet; calls of the bucket and of objects each name theirs."""
    uses = {"job": {"s3:GetObject", "s3:PutObject"}, "service": {"s3:GetObject"}}
    for name, objects in uses.items():
        statements = json.loads((HERE / f"policies/{name}.json").read_text(encoding="utf-8"))["Statement"]
        allowed = {(action, each["Resource"]) for each in statements for action in each["Action"]}
        bucket = {("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"), ("s3:GetBucketLocation", f"arn:aws:s3:::{BUCKET}")}
        assert bucket | {(action, f"arn:aws:s3:::{BUCKET}/*") for action in objects} == allowed
        assert all(each["Effect"] == "Allow" for each in statements)


def test_no_figure_that_is_missing_or_worse_wins() -> None:
    """The gate by table: no number, equal, within the margin, better."""
    sys.path.insert(0, str(HERE))
    try:
        from deciding import better  # type: ignore[import-not-found] # a program of the example
    finally:
        sys.path.remove(str(HERE))
    gate, rival = {"least_roc_auc": 0.6, "margin": 0.01}, {"version": "1", "roc_auc": 0.8}
    first = [(0.5, None), (0.7, None)]
    asked = [*first, *((figure, rival) for figure in (float("nan"), None, 0.8, 0.805, 0.82))]
    given = [
        better({"gate": gate, "challenger": {} if figure is None else {"roc_auc": figure}, "champion": champion})[0]
        for figure, champion in asked
    ]
    assert [False, True, False, False, False, False, True] == given


def test_a_nightly_workflow_and_the_service_are_no_runners() -> None:
    """Scores come by schedule on a machine of their own; no workflow keeps one running to serve."""
    workflows = {path.stem: yaml.safe_load(path.read_text()) for path in HERE.glob(".github/workflows/*.yml")}
    assert {"train", "score", "service"} == set(workflows)
    for workflow in workflows.values():
        assert {} == workflow["permissions"]
        assert all(job["timeout-minutes"] <= 30 for job in workflow["jobs"].values())
    assert workflows["score"][True]["schedule"] == [{"cron": "17 5 * * *"}]
