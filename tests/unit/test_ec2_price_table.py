"""The script that makes the shipped table of types and prices."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "price_table.py"
PRICES = """
// generated at 2026-07-20T13:44:30Z for us-east-1
"g4dn.xlarge": 0.526000, "g4dn.2xlarge": 0.752000, "g4dn.4xlarge": 1.204000,
"p5.48xlarge": 55.040000, "m5.metal": 4.608000,
"""
REGIONS = {
    "updated": 1740936978,
    "compute": {
        "ec2_linux": {
            "g4dn.xlarge": {"us-east-1": 0.526, "eu-west-1": 0.587, "eu-west-2": 0.615},
            "g4dn.2xlarge": {"us-east-1": 0.752, "eu-west-1": 0.839232, "eu-west-2": 0.0},
            "g4dn.4xlarge": {"us-east-1": 1.276, "eu-west-1": 1.4780},
            "p5.48xlarge": {"us-east-1": 98.32, "us-west-2": 108.152},
        }
    },
}


def make(tmp_path: Path, prices: str = PRICES) -> dict[str, Any]:
    """Run the script on small sources and read what it wrote."""
    (tmp_path / "prices.go").write_text(prices)
    (tmp_path / "regions.json").write_text(json.dumps(REGIONS))
    run = runpy.run_path(str(SCRIPT))["main"]
    run(["", str(tmp_path / "prices.go"), str(tmp_path / "regions.json"), str(tmp_path / "table.json")])
    made: dict[str, Any] = json.loads((tmp_path / "table.json").read_text())
    return made


def test_a_region_s_factor_is_what_two_sizes_agree_on(tmp_path: Path) -> None:
    """A dedicated price among them does not count, nor does a family that only one size speaks for."""
    table = make(tmp_path)
    assert table["factors"] == {"eu-west-1": {"g4dn": 1.116}}


def test_prices_and_dates_are_those_of_the_sources(tmp_path: Path) -> None:
    """A type without a price is kept without one; bare metal is left out."""
    table = make(tmp_path)
    types = table["types"]
    assert (table["prices"], table["factors_dated"]) == ("2026-07-20", "2025-03-02")
    assert types["g4dn.xlarge"] == [0.526, "x64", 4, 16.0, "t4", 1, 16.0]
    assert types["m7i.large"] == [None, "x64", 2, 8.0]
    assert not [name for name in types if ".metal" in name]


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    """A new table is a readable difference."""
    make(tmp_path)
    first = (tmp_path / "table.json").read_bytes()
    make(tmp_path)
    assert (tmp_path / "table.json").read_bytes() == first


def test_another_file_is_not_taken_for_the_prices(tmp_path: Path) -> None:
    """Karpenter may rename its table one day."""
    with pytest.raises(SystemExit, match="not karpenter's table"):
        make(tmp_path, "package pricing")
