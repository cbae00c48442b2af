"""``ami``: what a person sees of recipes and images, against the local EC2 and GitHub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runnerkit import tags
from runnerkit.sandbox.ec2 import Stage

if TYPE_CHECKING:
    from tests.commands.conftest import Bench

RECIPE = """
base = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
types = ["m7i.large"]
[[steps]]
use = "runner"
[[steps]]
use = "agent"
"""
MUTATING = ("CreateFleet", "CreateLaunchTemplate", "CreateSecurityGroup", "CreateImage")


@pytest.fixture
def own(bench: Bench) -> Bench:
    """A folder with a recipe of one's own."""
    Path("ami").mkdir()
    Path("ami/ours.toml").write_text(RECIPE, encoding="utf-8")
    return bench


def bake(bench: Bench, name: str, version: str = "2.336.0", recipe: str = "ours") -> str:
    """An image as a bake leaves it."""
    marks = {tags.OWNER: "runnerkit", tags.RECIPE: recipe, tags.RUNNER_VERSION: version, tags.CONTENT: "0a1b"}
    return bench.world.ec2.bake(name, marks)


def test_recipes_are_those_of_the_folder_and_ours(own: Bench) -> None:
    """Each with its base."""
    rows = own.run("ami", "recipes", "--json").json
    assert ["cpu-ubuntu-24.04", "gpu-ubuntu-24.04", "ours"] == [row["recipe"] for row in rows]
    assert "gpu-ubuntu-24.04" in own.run("ami", "recipes").out


def test_a_dry_run_says_what_would_be_baked_and_starts_nothing(own: Bench) -> None:
    """Base, runner and steps; no call that changes anything."""
    plan = own.run("ami", "bake", "ours", "--dry-run", "--json").json
    assert (["install runner", "install agent"], "2.336.0", None) == (plan["steps"], plan["runner"], plan["exists"])
    table = own.run("ami", "bake", "ours", "--dry-run").out
    assert "nothing was started" in table
    assert f"m7i.large (${plan['prices']['m7i.large']:.3f}/h)" in table
    assert f"at most ${plan['dollars_a_month']:.2f} a month" in table
    assert plan["dollars_a_month"] == round(plan["disk"] * 0.05, 2) > 0
    assert [] == own.wire(MUTATING)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gpu-ubuntu",), "did you mean gpu-ubuntu-24.04?"),
        (("ours", "--base", "AMI 1"), "neither an AMI's id"),
        (("ours", "--base", "nothing"), "recipe nothing has no image"),
        (("ours", "--ssh-from", "everybody"), "no network that may reach the builder"),
    ],
)
def test_what_cannot_be_baked_is_told_before_anything_starts(own: Bench, words: tuple[str, ...], says: str) -> None:
    """And what to do about it."""
    done = own.run("ami", "bake", *words)
    assert (True, True) == (done.code in {2, 6}, says in done.err), done.err
    assert [] == own.wire(MUTATING)


def test_a_builder_that_cannot_be_reached_is_taken_back(own: Bench) -> None:
    """The error says what was missing; instance, group and template are gone."""
    short = {"RUNNERKIT_AMI__REACH_WITHIN": "5", "RUNNERKIT_AMI__POLL": "0.3"}
    done = own.run("ami", "bake", "ours", "--ssh-from", "203.0.113.7/32", **short)
    assert (12, True) == (done.code, "its console shows no SSH host keys" in done.err), done.err
    assert [] == own.world.ec2.instances("pending", "running")
    assert {"DeleteSecurityGroup", "DeleteLaunchTemplate"} == set(
        own.wire(("DeleteSecurityGroup", "DeleteLaunchTemplate"))
    )


def test_images_are_listed_with_what_they_cost(own: Bench) -> None:
    """And with the machines that run from them."""
    assert "no images" in own.run("ami", "list").out
    image = bake(own, "one")
    (row,) = own.run("ami", "list", "--json").json
    assert (image, "ours", "2.336.0", 0) == (row["id"], row["recipe"], row["runner_version"], row["machines"])
    assert image in own.run("ami", "list").out


def test_old_images_are_pruned_with_their_snapshots(own: Bench) -> None:
    """A dry run names them and changes nothing; the newest stays."""
    images = [bake(own, name) for name in ("one", "two", "three")]
    would = own.run("ami", "prune", "--keep", "1", "--dry-run", "--json").json
    assert (2, {False}) == (len(would), {row["deleted"] for row in would})
    assert 3 == len(own.run("ami", "list", "--json").json)
    gone = own.run("ami", "prune", "--keep", "1", "--json").json
    assert [[], []] == [row["stayed"] for row in gone]
    (left,) = own.run("ami", "list", "--json").json
    assert left["id"] in images
    assert "nothing to prune" in own.run("ami", "prune", "--keep", "1").out


def test_images_of_other_installations_and_failed_bakes_stay_apart(own: Bench) -> None:
    """Pruning goes by the owner's tag: another installation's images in the same account are not ours to delete."""
    marks = {tags.RECIPE: "ours", tags.RUNNER_VERSION: "2.336.0", tags.CONTENT: "0a1b"}
    foreign = [own.world.ec2.bake(f"foreign{n}", {**marks, tags.OWNER: "another"}) for n in (1, 2)]
    foreign.append(own.world.ec2.bake("nobody", {"Name": "nobody"}))
    bake(own, "one"), bake(own, "two")
    (gone,) = own.run("ami", "prune", "--keep", "1", "--json").json
    assert gone["id"] not in foreign
    assert [] == own.run("ami", "prune", "--keep", "1", "--recipe", "theirs", "--json").json
    there = {image["ImageId"] for image in Stage.of(own.world.ec2).ec2.describe_images(ImageIds=foreign)["Images"]}
    assert set(foreign) == there


def test_a_recipe_without_any_image_is_no_success_for_check(own: Bench) -> None:
    """The first bake of a schedule begins with `check --recipe`; without a recipe there is nothing to complain of."""
    done = own.run("ami", "check", "--recipe", "ours")
    assert (12, True) == (done.code, "runnerkit ami bake ours" in done.out)
    assert 0 == own.run("ami", "check").code


def test_help_needs_nothing_heavy() -> None:
    """pydantic, boto3 and paramiko cost most of a second, which nobody waits for to read a page."""
    script = (
        "import sys; sys.argv = ['runnerkit', 'ami', 'bake', '--help']\n"
        "from runnerkit.cli.commands import app\n"
        "try:\n    app()\n"
        "except SystemExit:\n    print({'pydantic', 'boto3', 'paramiko'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ("--keep-builder" in done.stdout, "set()") == (True, done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("version", "words", "code", "level"),
    [("2.336.0", (), 0, "warn"), ("2.336.0", ("--strict",), 12, "warn"), ("2.320.0", (), 12, "error")],
)
def test_check_says_what_is_too_old_by_its_exit_code(
    own: Bench, version: str, words: tuple[str, ...], code: int, level: str
) -> None:
    """A runner below the minimum is an error, a changed recipe a warning."""
    bake(own, "one", version)
    done = own.run("ami", "check", "--json", *words)
    assert (code, level) == (done.code, done.json[0]["level"])
    table = own.run("ami", "check", *words)
    assert "bake again: runnerkit ami bake ours" in table.out
