"""What is in the wheel and in the source archive: all that runs, and nothing that lies around."""

from __future__ import annotations

import subprocess
import tarfile
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.packaging.conftest import ROOT, build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Built

pytestmark = [pytest.mark.slow]

EXAMPLE = "examples/train-and-serve/"
RECIPES = ("ami/cpu-ubuntu-24.04.toml", "ami/gpu-ubuntu-24.04.toml")
# One of each kind of file that is not Python and without which something does not work.
NEEDED = (
    "runnerkit/py.typed",
    "runnerkit/ec2/data/instance_types.json",
    "runnerkit/machine/units/runnerkit-guard.service",
    "runnerkit/machine/hooks/job-started.sh",
    "runnerkit/machine/runnerkit_agent/guard.py",
    "runnerkit/baking/scripts/agent.sh",
    "runnerkit/web/page/index.html",
    "runnerkit/sandbox/github/openapi.json",
    "runnerkit/sandbox/github/web/templates/base.html",
    "runnerkit/sandbox/standin/program/listener.py",
    "runnerkit/sandbox/standin/actions/actions/checkout/action.yml",
    "runnerkit/sandbox/ec2/no-profiles.ini",
    "runnerkit/sandbox/examples/train-and-serve/.dvc/config",
    "runnerkit/sandbox/examples/train-and-serve/.github/workflows/train.yml",
    "runnerkit/testing/simulation/scenarios/calm.toml",
    "runnerkit/ami/gpu-ubuntu-24.04.toml",
)
# What somebody who tried things leaves behind, and what must never be given away.
LEFT_BEHIND = (
    "examples/train-and-serve/.dvc/cache/files/md5/ab/cd",
    "examples/train-and-serve/.dvc/config.local",
    "examples/train-and-serve/data/raw.csv",
    "examples/train-and-serve/models/model.joblib",
    "examples/train-and-serve/serving/requirements.txt",
    "examples/property-valuation/data/x.csv",
    "runnerkit/__pycache__/model.cpython-311.pyc",
    "build/site/index.html",
    "runnerkit.toml",
    ".env",
    "app.private-key.pem",
    "notes.txt",
)


@cache
def tracked() -> frozenset[str]:
    """What git knows, or would once it is added."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, so there is nothing to compare with")
    return frozenset(name for name in done.stdout.split("\0") if name and (ROOT / name).is_file())


def wanted() -> dict[str, str]:
    """What the wheel must hold: its name there, and where it is here."""
    found = {name: name for name in tracked() if name.startswith("runnerkit/")}
    found |= {f"runnerkit/sandbox/{name}": name for name in tracked() if name.startswith(EXAMPLE)}
    return found | {f"runnerkit/{name}": name for name in RECIPES}


def test_the_wheel_holds_the_tree_and_nothing_else(built: Built) -> None:
    """A data file that is added is in it without a word; a file that is not part of the tree never is."""
    inside = built.wheel_files()
    assert not sorted(set(wanted()) - set(inside)), "missing from the wheel"
    assert not sorted(set(inside) - set(wanted())), "does not belong into the wheel"
    assert not [name for name, here in wanted().items() if inside[name] != (ROOT / here).read_bytes()]
    assert not [name for name in NEEDED if name not in inside]


def test_every_recipe_comes_along() -> None:
    """A recipe that is added below `ami/` is found by name after an installation."""
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ami").glob("*.toml")}
    assert set(RECIPES) == there


def test_the_source_archive_holds_the_checkout(built: Built) -> None:
    """Tests, pages and examples too, so that who has the archive can do all that a checkout can."""
    with tarfile.open(built.sdist) as archive:
        inside = {member.name.partition("/")[2]: member for member in archive.getmembers()}
    assert {"PKG-INFO"} == set(inside) - tracked()
    assert not sorted(tracked() - set(inside)), "missing from the source archive"
    assert not [name for name, member in inside.items() if not member.isfile()]
    assert not [name for name, member in inside.items() if "/" not in name and member.mode & 0o002]


def test_a_wheel_straight_from_the_tree_is_the_same(built: Built, tmp_path: Path) -> None:
    """Byte for byte that which is made by way of the source archive, whatever lies around in the tree."""
    tree = built.unpack(tmp_path / "tree")
    for name in LEFT_BEHIND:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("left behind")
    build(tree, tmp_path / "again", "--wheel", "--sdist")
    (wheel,) = (tmp_path / "again").glob("*.whl")
    (sdist,) = (tmp_path / "again").glob("*.tar.gz")
    assert built.wheel.read_bytes() == wheel.read_bytes()
    assert built.wheel.name == wheel.name
    assert built.sdist.read_bytes() == sdist.read_bytes()
