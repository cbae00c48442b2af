"""The files that are written: configuration that loads and says the truth, workflows that GitHub would run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit.beginning import configuration, deciding, workflows, writing
from runnerkit.beginning.finding import found
from runnerkit.beginning.texts import environment_name, literal, quoted
from runnerkit.beginning.words import Answers, Around, Found, Read, Way
from runnerkit.config import Config, load
from runnerkit.errors import ConfigError
from runnerkit.sandbox.workflows import load as read_workflow
from runnerkit.wishes import GpuWish

TOOLS = Path(sys.executable).parent
DVC = {
    "dvc.yaml": "stages: {a: {cmd: x, deps: [src/a.py, 'd/[x]+!.csv', '!n']}}",
    ".dvc/config": "['remote \"r\"']\nurl = s3://acme/x\n",
}
KINDS: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "dvc": (DVC | {"requirements.txt": "torch\ndvc[s3]"}, "", {"region": "eu-west-1"}),
    "dvc-approved": (DVC | {"uv.lock": "", "pyproject.toml": "[project]\n"}, "", {"environment": 'a: "b" # ü'}),
    "dvc-folder": (DVC | {"poetry.lock": "", "pyproject.toml": "[project]\n"}, "models/a: 'b' #{x}/", {"gpu": "2xl4"}),
    "dvc-controller": (DVC, "", {"way": "controller", "environment": "gpu"}),
    "command": ({"train.py": "", "requirements.txt": "torch"}, "", {}),
    "command-controller": ({}, "sub/", {"way": "controller", "gpu": "none"}),
    "dvc-elsewhere": ({"dvc.yaml": "stages: {}", ".dvc/config": "['remote \"r\"']\nurl = gs://x"}, "", {}),
}  # fmt: skip


def made(kind: str) -> tuple[Found, Answers, dict[str, str]]:
    texts, prefix, given_ = KINDS[kind]
    read = Read(
        Path("/w"), prefix, (("origin", "git@github.com:acme/widgets"),), branches=("release+1#x",), texts=texts
    )
    known = found(read, Around())
    answers = deciding.decide(known, given_)
    return known, answers, {draft.path: draft.text for draft in writing.drafts(known, answers)}


def parsed(text: str) -> dict[str, Any]:
    read: dict[Any, Any] = yaml.safe_load(text)
    return {"on" if key is True else str(key): value for key, value in read.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of workflow, as files of their own."""
    top = tmp_path_factory.mktemp("written")
    for kind in KINDS:
        for path, text in made(kind)[2].items():
            if path.endswith(".yml"):
                (top / f"{kind}-{Path(path).name}").write_text(text, encoding="utf-8")
    return top


def test_github_s_schema_takes_every_workflow(folder: Path) -> None:
    """Checked as the project's own are."""
    command: list[str | Path] = [
        TOOLS / "check-jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *sorted(folder.glob("*.yml")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_no_workflow_gives_away_what_it_holds(folder: Path, tmp_path: Path) -> None:
    """As far as zizmor can see, where actions may be pinned to versions."""
    config = tmp_path / "zizmor.yml"
    config.write_text('rules: {unpinned-uses: {config: {policies: {"*": ref-pin}}}}\n', encoding="utf-8")
    command: list[str | Path] = [
        TOOLS / "zizmor",
        "--offline",
        "--no-progress",
        "--config",
        config,
        *sorted(folder.glob("*.yml")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_sandbox_s_reader_takes_every_workflow_and_its_jobs_hold_together(kind: str) -> None:
    """Whole jobs with least permissions; scripts hold no expression, and the machine is the one that was launched."""
    known, answers, files = made(kind)
    for path, text in files.items():
        if not path.endswith(".yml"):
            continue
        assert read_workflow(path, text).name
        read = parsed(text)
        assert {} == read["permissions"]
        for job in read["jobs"].values():
            assert job["timeout-minutes"]
            assert not any("${{" in step.get("run", "") for step in job["steps"])
            checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
            assert [False] == [step["with"]["persist-credentials"] for step in checkouts]
    jobs = parsed(files[workflows.MAIN])["jobs"]
    launched = answers.way == "launch"
    assert (["launch", "train"] if launched else ["train"]) == list(jobs)
    assert launched == (workflows.RESUME in files)
    assert (
        "${{ needs.launch.outputs.label }}" if launched else f"runnerkit=${{{{ github.run_id }}}}/gpu={answers.gpu}"
    ) in jobs["train"]["runs-on"]
    assert answers.environment == (jobs["launch" if launched else "train"].get("environment", ""))
    scripts = [step.get("run", "") for step in jobs["train"]["steps"]]
    assert bool(known.pipeline) == ("exec runnerkit dvc run" in scripts) == ("runnerkit report" in scripts)
    folder = known.prefix.rstrip("/")
    assert folder == jobs["train"].get("defaults", {}).get("run", {}).get("working-directory", "")
    identity = [each for each in jobs.values() if "id-token" in each["permissions"]]
    assert len(identity) == sum(
        "configure-aws" in step.get("uses", "") for job in jobs.values() for step in job["steps"]
    )


def test_a_variable_that_is_not_set_is_named() -> None:
    """GitHub gives an empty text for it, and pip's own words would not lead to the settings."""
    steps = parsed(made("dvc")[2][workflows.MAIN])["jobs"]["launch"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "Install runnerkit"]
    empty = {"RUNNERKIT": "", "PATH": ""}
    done = subprocess.run(["/bin/bash", "-e", "-c", script], env=empty, capture_output=True, text=True, check=False)
    assert "the variable RUNNERKIT of the repository is not set" in done.stderr


def test_paths_and_branches_are_filters_that_mean_themselves() -> None:
    """What GitHub would take for a pattern is escaped, and a path without an ending is a folder as well."""
    on = parsed(made("dvc")[2][workflows.MAIN])["on"]
    assert {"src/a.py", "d/\\[x\\]\\+!.csv", "\\!n", "\\!n/**", "**.dvc", workflows.MAIN, "requirements.txt"} <= set(
        on["pull_request"]["paths"]
    )
    assert ["release\\+1#x"] == parsed(made("command")[2][workflows.MAIN])["on"]["push"]["branches"]


@given(st.text(max_size=40), st.text(st.characters(exclude_categories=("C", "Z")), max_size=40))
@settings(max_examples=60)
def test_no_name_of_a_checkout_or_person_becomes_more_than_a_text(environment: str, branch: str) -> None:
    """Workflow and configuration hold the same keys whatever the names are, and give the names back as they were."""
    try:
        answers = Answers("acme/widgets", environment=environment_name(environment))
    except ConfigError:
        return
    read = Read(Path("/w"), remotes=(("origin", "git@github.com:acme/widgets"),), branches=(branch,))
    known = found(read, Around())
    text = workflows.text(known, answers)
    plain = parsed(workflows.text(known, Answers("acme/widgets", environment=environment and "x")))
    job = parsed(text)["jobs"]["launch"]
    assert answers.environment == job.get("environment", "")
    assert set(plain["jobs"]["launch"]) | {"environment"} == set(job) | {"environment"}
    assert [literal(known.branch)] == parsed(text)["on"]["push"]["branches"]
    approved = Answers("acme/widgets", way=Way.CONTROLLER, environment=answers.environment)
    policy = tomllib.loads(configuration.text(known, approved))["policy"]
    assert ([answers.environment] if answers.environment else None) == policy.get("require_environment")


def test_a_text_that_cannot_be_printed_is_not_quoted() -> None:
    """JSON's escapes are not all TOML's."""
    with pytest.raises(ConfigError, match="printed"):
        quoted("a\x7f")


@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_loads_and_says_what_was_decided(kind: str, tmp_path: Path) -> None:
    """By the loader that every command uses."""
    known, answers, files = made(kind)
    text = files[f"{known.prefix}runnerkit.toml"]
    (tmp_path / "runnerkit.toml").write_text(text, encoding="utf-8")
    config, _ = load({}, tmp_path)
    assert ("acme/widgets",) == config.github.repositories
    assert ((answers.region,) if answers.region else ()) == config.aws.regions
    spec = config.fallback()
    model = re.sub(r"^\d+x", "", answers.gpu)
    assert (spec.no_gpu, [] if spec.no_gpu else [model]) == (answers.gpu == "0", [wish.model for wish in spec.gpu])
    assert isinstance(spec.gpu, tuple)
    assert all(isinstance(wish, GpuWish) for wish in spec.gpu)


def test_every_key_behind_a_comment_sign_is_at_its_default(tmp_path: Path) -> None:
    """Taking all of the signs away changes nothing; taking the examples in as well still loads."""
    known, answers, _ = made("dvc")
    text = configuration.text(known, answers)
    (tmp_path / "runnerkit.toml").write_text(text, encoding="utf-8")
    before, _ = load({}, tmp_path)
    shown = re.findall(r"^# [a-z_]+ = .*$", text, re.MULTILINE)
    assert len(shown) >= 18
    (tmp_path / "runnerkit.toml").write_text(re.sub(r"(?m)^# (?=[a-z_]+ = )", "", text), encoding="utf-8")
    after, _ = load({}, tmp_path)
    # A wish's own default is not written down anywhere.
    assert "prefer" == after.default["spot"]
    assert before == Config.model_validate(after.model_dump() | {"default": before.default})
    (tmp_path / "runnerkit.toml").write_text(
        re.sub(r"(?m)^#   (?=[\[a-z])", "", text.replace("BUCKET", "acme-journal")), encoding="utf-8"
    )
    everything, _ = load({}, tmp_path)
    assert {"large"} == set(everything.specs)
    assert "s3://acme-journal/journal" == everything.journal.where


def test_json_is_what_quotes() -> None:
    """A text in quotes is the same for TOML, YAML and JSON."""
    for text in ('a "b" \\ c', "ü # : {}", "'", "😀"):
        assert (
            text
            == json.loads(quoted(text))
            == yaml.safe_load(quoted(text))
            == tomllib.loads(f"x = {quoted(text)}")["x"]
        )
