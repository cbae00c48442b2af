"""The pages' commands and programs do what the pages say: they are run as written, one block after the other."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from runnerkit.job.result import Result
from runnerkit.sandbox.workflows import WorkflowInvalid, load
from tests.docs.doc_pages import ROOT, blocks, name, workflows
from tests.docs.shells import environment, of_page, put_program, python, shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


EXAMPLE = ROOT / "examples/train-and-serve"
# Every page with something to run, and the test that runs it.
EXECUTED = {
    "README.md": "test_readme.py",
    "docs/sandbox.md": "test_the_sandbox_from_a_shell, test_the_sandbox_from_python, test_the_fixtures...",
    "docs/pipeline.md": "test_a_pipeline_is_run_and_reported",
    "docs/tutorial.md": "test_docs_tutorial.py",
    "examples/train-and-serve/README.md": "test_the_example_can_be_tried",
}
LAUNCHER = """
import boto3
from botocore.exceptions import ClientError

AMI = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
ec2, image = boto3.client("ec2"), boto3.client("ssm").get_parameter(Name=AMI)["Parameter"]["Value"]
spot = {"MarketType": "spot"}
subnets = sorted(ec2.describe_subnets()["Subnets"], key=lambda subnet: subnet["AvailabilityZone"])
for subnet in subnets:
    try:
        ec2.run_instances(
            ImageId=image, InstanceType="g5.xlarge", MinCount=1, MaxCount=1, SubnetId=subnet["SubnetId"],
            InstanceMarketOptions=spot,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InsufficientInstanceCapacity":
            raise
    else:
        break
"""
ONE_BY_ONE = """
import runpy, sys
for program in sys.argv[1:]:
    runpy.run_path(program, run_name="__main__")
"""
BOT = """
import json, os, sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

url = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/issues/{sys.argv[1]}/comments"
headers = {"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Content-Type": "application/json"}
for _ in range(2):
    try:
        urlopen(Request(url, json.dumps({"body": "Looking into it."}).encode(), headers)).close()
        break
    except HTTPError as error:
        error.close()
"""


def test_no_page_shows_what_nobody_runs() -> None:
    """A page that gains commands or programs gains a test that runs them."""
    assert {block.page for block in blocks("sh", "bash", "python")} == set(EXECUTED)


# --- the sandbox ------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A shell's environment; a sandbox that is still up in the end is ended."""
    # boto3 itself would ask an empty pool again and again, and only then tell.
    environ = environment(tmp_path, AWS_MAX_ATTEMPTS="1")
    put_program(tmp_path, "my-launcher", LAUNCHER)
    put_program(tmp_path, "my-bot", BOT)
    yield environ
    down = python(["-m", "runnerkit", "sandbox", "down"], tmp_path, environ)
    assert "no sandbox was up" in down.stdout


@pytest.mark.slow
def test_the_sandbox_from_a_shell(tmp_path: Path, home: dict[str, str]) -> None:
    """The page's session: a push queues a job, a pass launches for it, spot runs dry, and all of it ends."""
    push, rest = (block.text for block in of_page("docs/sandbox.md", "sh"))
    waiting = """
    for _ in $(seq 300); do
      curl --silent "$AWS_ENDPOINT_URL/_runnerkit/ec2/instances" > instances.json
      grep --extended-regexp --quiet '"(pending|running|shutting-down)"' instances.json || break
      sleep 0.2
    done
    test "$(runnerkit status --json | grep --count rk-)" = 0
    ask() { curl --silent --location --header "Authorization: Bearer $GITHUB_TOKEN" "$GITHUB_API_URL$1"; }
    ask "/repos/$GITHUB_REPOSITORY/actions/runs" > runs.json
    ask "/repos/$GITHUB_REPOSITORY/actions/jobs/63000000000/logs" > log
    """
    looking = 'curl --silent "$AWS_ENDPOINT_URL/_runnerkit/ec2/instances" > instances.json\n'
    rest = rest.replace("runnerkit terminate", f"{looking}runnerkit terminate")
    quick = push.replace("--detach", "--detach --boot 0.3")
    done = shell(f"{quick}\n{waiting}\n{rest}", tmp_path, home)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads((tmp_path / "runs.json").read_text(encoding="utf-8"))["workflow_runs"]
    assert (run["event"], run["conclusion"]) == ("push", "success"), (tmp_path / "log").read_text(encoding="utf-8")
    machines = json.loads((tmp_path / "instances.json").read_text(encoding="utf-8"))
    assert [machine["market"] for machine in machines] == ["spot", "on-demand"]
    assert "up as process" in done.stdout
    assert done.stdout.rstrip().endswith("has ended")


PROGRAMS = [block for page in ("README.md", "docs/sandbox.md") for block in of_page(page, "python")]
THEIR_TESTS = [block for block in PROGRAMS if "def test_" in block.text]
SCRIPTS = [block for block in PROGRAMS if block not in THEIR_TESTS and "connect(" not in block.text]


@pytest.mark.slow
def test_the_fixtures_work_in_anybodys_project(tmp_path: Path, home: dict[str, str]) -> None:
    """What the pages show for pytest passes in a folder that has nothing to do with ours, plugin found and all."""
    for number, block in enumerate(THEIR_TESTS):
        (tmp_path / f"test_{number}.py").write_text(block.text, encoding="utf-8")
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = python(words, tmp_path, home)
    count = sum(block.text.count("\ndef test_") for block in THEIR_TESTS)
    assert (done.returncode, f"{count} passed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.slow
def test_the_sandbox_from_python(tmp_path: Path, home: dict[str, str]) -> None:
    """Each program ends well and prints what the page promises; one process runs all, since moto loads for seconds."""
    for number, block in enumerate(SCRIPTS):
        (tmp_path / f"{number}.py").write_text(block.text, encoding="utf-8")
    done = python(["-c", ONE_BY_ONE, *(f"{number}.py" for number in range(len(SCRIPTS)))], tmp_path, home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(SCRIPTS) == 3
    assert re.fullmatch(r"success on rk-\S+ \{('\w+': 0(, |\})){4}\n", done.stdout)


# --- pipelines --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A copy of the example as somebody would check it out, and a shell's environment for it."""
    folder = tmp_path_factory.mktemp("pipeline")
    left_out = shutil.ignore_patterns("tmp", "cache", "data", "models", "plots", "dvc.lock", ".runnerkit")
    return shutil.copytree(EXAMPLE, folder / "project", ignore=left_out), environment(folder)


@pytest.mark.slow
def test_a_pipeline_is_run_and_reported(project: tuple[Path, dict[str, str]]) -> None:
    """The page's session: three stages run, then those that a changed param concerns, and the report tells so."""
    folder, environ = project
    (session,) = of_page("docs/pipeline.md", "sh")
    done = shell(session.text, folder, environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 stages run, 0 restored, 0 unchanged" in done.stdout
    assert "would run: train" in done.stdout
    assert "2 stages run, 0 restored, 1 unchanged" in done.stdout
    assert "| params.yaml: train.hidden | 48 | 12 |" in done.stdout
    result = json.loads((folder / ".runnerkit/run.json").read_text(encoding="utf-8"))
    assert (result["outcome"], result["pushed"], result["exit_code"]) == ("success", True, 0)
    assert any((folder.parent / "remote/runs").iterdir())


@pytest.mark.slow
def test_the_example_can_be_tried(project: tuple[Path, dict[str, str]]) -> None:
    """The commands of its README: what it needs is there, the pipeline runs, the service answers."""
    folder, environ = project
    if not (folder / ".git").exists():
        assert shell("git init --quiet", folder, environ).returncode == 0
    (session,) = of_page("examples/train-and-serve/README.md", "sh")
    done = shell(session.text, folder, environ | {"PIP_NO_DEPS": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was taken for" in done.stdout


def test_the_page_about_pipelines_tells_every_key_of_the_result() -> None:
    """The table of the result file is complete and names nothing else."""
    page = (ROOT / "docs/pipeline.md").read_text(encoding="utf-8").split("### The result file")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    told = {word.strip("` ") for row in rows for word in row.split(",")}
    assert told == {field.name for field in fields(Result)} | {"seconds"}


# --- workflows --------------------------------------------------------------------------------------------------------


def whole(text: str) -> str:
    """A page may leave out what starts a workflow."""
    return text if re.search(r"^on:", text, re.MULTILINE) else f"on: push\n{text}"


WHOLE = [
    *((name(path), path.read_text(encoding="utf-8")) for path in workflows()),
    *((str(block), whole(block.text)) for block in blocks("yaml", "yml") if "steps:" in block.text),
]


@pytest.mark.parametrize(("where", "text"), WHOLE, ids=[where for where, _ in WHOLE])
def test_github_would_take_the_workflow(where: str, text: str) -> None:
    """Workflows that we use or show are read by the sandbox, which refuses what GitHub refuses."""
    assert load(where, text).job_keys


def test_a_workflow_that_github_refuses_is_noticed() -> None:
    """The check above can fail: a job that waits for one that does not exist is named with its line."""
    text = (
        (EXAMPLE / ".github/workflows/train.yml")
        .read_text(encoding="utf-8")
        .replace("  train:\n", "  train:\n    needs: x\n")
    )
    with pytest.raises(WorkflowInvalid, match=r"train.yml:\d+: .*needs 'x'"):
        load("train.yml", text)
