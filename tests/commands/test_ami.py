"""``ami``: what a person sees of recipes and images, against the local EC2 and GitHub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runnerkit import tags

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
    assert "nothing was started" in own.run("ami", "bake", "ours", "--dry-run").out
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
