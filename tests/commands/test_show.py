"""``offerings`` and ``config``: what a person looks at before anything is launched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.commands.conftest import Bench


def test_offerings_show_what_a_label_can_get(bench: Bench) -> None:
    """Type, GPU memory, both prices, the saving and the zones, for people and programs; GitHub is not asked."""
    (cheapest, *_) = bench.run("offerings", "gpu=t4", "--json").json
    assert ("g4dn.xlarge", "t4", 1, 16, 4) == tuple(cheapest[k] for k in ("type", "gpu", "gpus", "gpu_memory", "cpu"))
    assert cheapest["spot"] < cheapest["on_demand"] == 0.526
    assert 0.5 < cheapest["saving"] < 0.8
    table = bench.run("offerings", "runnerkit=9/gpu=t4")
    assert "g4dn.xlarge" in table.out
    assert "16 GiB" in table.out
    assert bench.world.github.count() == 0


def test_offerings_show_what_was_refused_lately(bench: Bench) -> None:
    """After a refusal the pool is marked with AWS's code."""
    bench.world.ec2.capacity("*", "*", "spot", 0)
    bench.launch(label="runnerkit=1/gpu=t4/spot=only")
    (cheapest, *_) = bench.run("offerings", "gpu=t4", "--json").json
    assert any("UnfulfillableCapacity (spot" in refused for refused in cheapest["refused"])
    assert not any("on-demand" in refused for refused in cheapest["refused"])


def test_any_gpu_means_a_whole_one(bench: Bench) -> None:
    """gpu=any is the cheapest whole GPU, never a slice of one."""
    rows = bench.run("offerings", "gpu=any", "--json").json
    assert rows[0]["type"] == "g4dn.xlarge"
    assert not any("fraction" in row["gpu"] for row in rows)


def test_config_show_says_where_each_value_comes_from_and_masks_secrets(bench: Bench) -> None:
    """Every changed setting with its origin; the token never."""
    Path("runnerkit.toml").write_text('[aws]\nowner = "ml"\n[specs.train]\ngpu = "l4"\n')
    shown = bench.run("config", "show")
    assert "aws.owner = 'ml'  (runnerkit.toml)" in shown.out
    assert "github.repositories = ['acme/widgets']  (GITHUB_REPOSITORY)" in shown.out
    assert bench.environment["GITHUB_TOKEN"] not in shown.out
    assert bench.environment["GITHUB_TOKEN"] not in bench.run("config", "show", "--json").out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[aws]\nonwer = "ml"\n', "runnerkit.toml: aws.onwer: no such key; did you mean owner?"),
        ('[policy]\nmax_machines = "many"\n', "runnerkit.toml: policy.max_machines"),
        ('[specs.train]\ngpu = "t5"\n', "[specs.train]"),
        ("[aws\n", "runnerkit.toml: is not TOML"),
    ],
)
def test_config_check_names_file_key_and_reason(bench: Bench, text: str, words: str) -> None:
    """A configuration that cannot be used ends with exit code 2 and a line that says where and why."""
    Path("runnerkit.toml").write_text(text)
    done = bench.run("config", "check")
    assert done.code == 2
    assert words in done.err
    assert bench.run("launch", "--gpu", "t4").code == 2
    assert bench.world.github.count() == 0
