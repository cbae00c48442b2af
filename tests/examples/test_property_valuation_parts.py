"""``examples/property-valuation`` without machines: its statistics, its page, its pins, its workflow."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.examples.conftest import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = EXAMPLES / "property-valuation"
WORKFLOW = EXAMPLE / ".github/workflows/run-model.yml"


def ratios() -> Any:  # noqa: ANN401 - a module of the example
    """The module of the statistics."""
    spec = importlib.util.spec_from_file_location("ratios", EXAMPLE / "src/ratios.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def workflow() -> dict[Any, Any]:
    """The workflow; YAML takes ``on`` for a truth value."""
    read: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return read


# Made by assesspy 2.0.2 from the same sales, with an estimate of 100 dollars for a square foot of living area and 20
# for one of the basement.
@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("Year_Sold", "2010", (341, 25.32502966472959, 1.097480638042619, -0.3662811241411379)),
        ("Neighborhood", "Old_Town", (239, 25.081108134027104, 1.052107190754657, -0.06489523724165934)),
    ],
)
def test_the_statistics_are_those_of_assesspy(column: str, value: str, expected: tuple[float, ...]) -> None:
    """COD, PRD and PRB by a dozen lines of one's own, to nine digits."""
    with (EXAMPLE / "warehouse/ames-sales.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row[column] == value]
    estimates = [100.0 * float(row["Gr_Liv_Area"]) + 20 * float(row["Total_Bsmt_SF"]) for row in rows]
    prices = [float(row["Sale_Price"]) for row in rows]
    study = ratios()
    found = (len(rows), study.cod(estimates, prices), study.prd(estimates, prices), study.prb(estimates, prices))
    assert found == pytest.approx(expected, rel=1e-9)
    assert [study.within("cod", found[1]), study.within("prd", 1.03), study.within("prb", 0.0501)] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("quarto", [True, False])
def test_the_page_is_quartos_where_it_is_installed(tmp_path: Path, *, quarto: bool) -> None:
    """And otherwise the template's; both end up in the same file."""
    (tmp_path / "report").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/template.html").write_text((EXAMPLE / "report/template.html").read_text(encoding="utf-8"))
    metrics = {"cod": 11.2, "prd": 1.01, "prb": -0.13, "median_ratio": 0.99, "sales": 341}
    (tmp_path / "metrics.json").write_text(json.dumps({"test": metrics}))
    (tmp_path / "neighborhoods.csv").write_text(
        "neighborhood,cod,prd,prb,median_ratio,sales\nOld_<Town>,25.9,1.15,-1.4,1.0,29\n"
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    if quarto:
        program = programs / "quarto"
        program.write_text('#!/bin/sh\n[ "$1 $2" = "render performance.qmd" ] && echo "by quarto" >"$7"\n')
        program.chmod(0o755)
    environ = {"PATH": f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, str(EXAMPLE / "src/report.py")], cwd=tmp_path, env=environ, check=True, timeout=60)
    page = (tmp_path / "report/performance.html").read_text(encoding="utf-8")
    if quarto:
        assert page == "by quarto\n"
    else:
        assert "<td>-0.05 to 0.05</td><td>not met</td>" in page
        assert "Old &lt;Town&gt;" in page
        assert not re.search(r"\$\w", page)


def test_the_pins_are_those_of_the_project() -> None:
    """So that the example's image can be built where the project's tests run, from what is installed there."""
    line = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)")
    named = {}
    for file in (EXAMPLES.parent / "constraints.txt", EXAMPLE / "requirements.lock"):
        found = filter(None, map(line.match, file.read_text(encoding="utf-8").splitlines()))
        named[file.name] = {each[1].lower().replace("_", "-"): each[2] for each in found}
    wanted, pinned = named["requirements.lock"], named["constraints.txt"]
    assert len(wanted) > 50
    assert {name: version for name, version in wanted.items() if pinned.get(name) != version} == {}
    asked = re.findall(r"^([\w-]+)", (EXAMPLE / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(asked) <= set(wanted)


def test_the_lock_fits_the_frozen_stage() -> None:
    """It names the code and the sales as they are, or the first run would say that the stage has changed."""
    stage = yaml.safe_load((EXAMPLE / "dvc.lock").read_text(encoding="utf-8"))["stages"]["ingest"]
    for each in stage["deps"]:
        content = (EXAMPLE / each["path"]).read_bytes()
        assert (each["md5"], each["size"]) == (hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content))
    declared = yaml.safe_load((EXAMPLE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["ingest"]
    assert declared["frozen"] is True
    assert declared["outs"] == [each["path"] for each in stage["outs"]]


def test_every_input_is_a_variable_of_the_job_and_none_is_part_of_a_command() -> None:
    """Texts that somebody typed reach the shell as variables only."""
    read = workflow()
    inputs = read[True]["workflow_dispatch"]["inputs"]
    assert inputs["run_note"]["required"] is True
    assert {name for name in inputs if name.upper() not in read["env"]} == {"where"}
    runs = [step["run"] for job in read["jobs"].values() for step in job["steps"] if "run" in step]
    assert [run for run in runs if "${{" in run] == []


def test_one_approval_and_the_least_rights() -> None:
    """Only what costs money asks; only what runs no training code may write a comment; forks get nothing."""
    jobs = workflow()["jobs"]
    assert {name for name, job in jobs.items() if "environment" in job} == {"launch", "batch"}
    writers = {name for name, job in jobs.items() if job["permissions"].get("pull-requests") == "write"}
    assert writers == {"report"}
    assert "head.repo.full_name == github.repository" in jobs["image"]["if"]
    assert jobs["train"]["permissions"] == {"contents": "read", "id-token": "write", "packages": "read"}
    # A fork may name its branch as ours is named: its run must not cancel ours.
    assert "head_ref" not in workflow()["concurrency"]["group"]


def test_what_is_approved_runs_none_of_the_pull_requests_code() -> None:
    """The job with the token has neither the checkout nor the image, and the right to launch is its environment's."""
    jobs = workflow()["jobs"]
    holders = {name for name, job in jobs.items() if "secrets.RUNNERKIT_TOKEN" in json.dumps(job)}
    assert holders == {"launch"}
    launch = jobs["launch"]
    assert "container" not in launch
    assert [each["uses"] for each in launch["steps"] if "checkout" in each.get("uses", "")] == []
    assert [each["run"] for each in launch["steps"] if "scripts/" in each.get("run", "")] == []
    launchers = {name for name, job in jobs.items() if "LAUNCH_ROLE_ARN" in json.dumps(job)}
    assert launchers == {name for name, job in jobs.items() if "environment" in job}
    assert {name for name, job in jobs.items() if "container" in job} == {"train"}
