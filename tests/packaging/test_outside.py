"""The wheel in an environment of its own, far from the checkout: everything that needs its files works."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import runnerkit
from tests.packaging.conftest import PATIENCE, uv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Built, Outside

pytestmark = [pytest.mark.slow]

LABEL = "runnerkit=42/gpu=t4"
# What is found by its place in the package, each with the question that only its files can answer.
ASKED = """
import json, sys
from pathlib import Path
import runnerkit
from runnerkit.baking import recipe_files
from runnerkit.baking.wheel import own_wheel
from runnerkit.sandbox import story
from runnerkit.testing.simulation.scenario import built_in
print(json.dumps({
    "where": runnerkit.__file__,
    "public": [name for name in runnerkit.__all__ if getattr(runnerkit, name, None) is None],
    "recipes": sorted(recipe_files.known(recipe_files.folders(Path.cwd()))),
    "scenarios": len(built_in()),
    "example": (story.example() / "dvc.yaml").is_file(),
    "image's wheel": own_wheel().name,
}))
"""
STORY = """
set -eu
eval "$(runnerkit sandbox up --detach --machines hollow --boot 0 --state "$1")"
trap 'runnerkit sandbox down --state "$1" >&2' EXIT
runnerkit launch --runs-on "$2" --json
"""


def test_it_answers(outside: Outside) -> None:
    """The program is there, with its version and help, and so is the module of the same name."""
    for words in (["runnerkit", "--version"], ["python", "-m", "runnerkit", "--version"]):
        done = outside.run(*words)
        assert (0, f"runnerkit {runnerkit.__version__}\n", "") == (done.returncode, done.stdout, done.stderr)
    assert "launch" in outside.run("runnerkit", "--help").stdout


def test_it_finds_its_files(outside: Outside, built: Built) -> None:
    """Recipes, scenarios, the demo's repository, and itself as a wheel for images come from the installed package."""
    done = outside.run("python", "-c", ASKED)
    assert "" == done.stderr
    told = json.loads(done.stdout)
    assert told.pop("where").startswith(str(outside.folder))
    assert told.pop("scenarios") >= 9
    assert {
        "public": [],
        "recipes": ["cpu-ubuntu-24.04", "gpu-ubuntu-24.04"],
        "example": True,
        "image's wheel": built.wheel.name,
    } == told


def test_the_sandbox_stands_and_a_machine_is_launched(outside: Outside) -> None:
    """EC2's and GitHub's stand-ins run from the wheel, against GitHub's description that it holds."""
    done = outside.run("sh", "-c", STORY, "story", str(outside.folder / "state"), LABEL)
    assert 0 == done.returncode, done.stderr
    (machine,) = json.loads(done.stdout)["machines"]
    assert machine["instance"].startswith("i-")


def test_uv_installs_it_as_a_tool(outside: Outside, built: Built) -> None:
    """`uv tool install`, as pipx, gives one program on the path, `runnerkit`, and no other of its libraries."""
    libraries = outside.folder / "none.txt"
    needs = [line.split(":", 1)[1] for line in built.described("METADATA").splitlines() if line.startswith("Requires-")]
    names = {need.split(";")[0].split("[")[0].split(">")[0].strip() for need in needs if "extra ==" not in need}
    # Requirements that never apply: there is no index to take them from.
    libraries.write_text("".join(f"{name} ; sys_platform == 'nowhere'\n" for name in names - {">=3.11"} if name))
    folders = {"UV_TOOL_DIR": str(outside.folder / "tools"), "UV_TOOL_BIN_DIR": str(outside.folder / "bin")}
    command = [uv(), "tool", "install", "--quiet", "--offline", "--no-index", "--python", sys.executable]
    subprocess.run(
        [*command, "--overrides", str(libraries), str(built.wheel)],
        env={**outside.environment, **folders},
        check=True,
        timeout=PATIENCE,
    )
    assert ["runnerkit"] == [path.name for path in (outside.folder / "bin").iterdir()]


def test_the_source_archive_builds_the_function(built: Built, tmp_path: Path) -> None:
    """The script that packs the Lambda function works on the archive's tree as on a checkout."""
    tree = built.unpack(tmp_path)
    code = "import build_lambda as script; print(*(name for name, _ in script.ours())); print(*script.required())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree / "scripts",
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    files, needed = done.stdout.splitlines()
    assert "runnerkit/aws/handler.py" in files.split()
    assert "boto3" in needed
