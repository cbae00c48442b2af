"""What is concluded from the files of a checkout, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.beginning import deciding
from runnerkit.beginning.finding import found
from runnerkit.beginning.packages import packages
from runnerkit.beginning.pipelines import pipeline
from runnerkit.beginning.words import Around, Found, Hub, Read
from runnerkit.errors import ConfigError

JAX = '[project]\ndependencies = ["jax[cuda12]"]\nrequires-python = ">=3.9"'
TENSORFLOW = '[tool.poetry.dependencies]\ntensorflow = "*"\ndvc = "*"'
SET = '[aws]\nregions = ["us-west-2"]'
ML = "[default]\nregion = us-east-1\n[profile ml]\nregion=ap-south-1"
ORIGIN = ("origin", "git@github.com:acme/widgets.git")
STAGES = """
stages:
  prepare: {cmd: x, deps: [src/prepare.py, data/raw], params: [prepare.seed, {other.yaml: [a]}], outs: [data/ready]}
  train:
    cmd: x
    wdir: models
    deps: [../data/ready/part.csv, net, ../src/train.py]
    outs: [{out.bin: {cache: false}}]
  each: {foreach: [1, 2], do: {cmd: x, deps: ["in-${item}.csv", ../up.csv, /etc/passwd, s3://b/x]}}
  odd: 7
"""
S3 = (
    "[core]\n    remote = main\n['remote \"main\"']\n    url = s3://acme-data/dvc\n"
    "    region = eu-north-1\n['remote \"b\"']\n    url = gs://x\n"
)


def known(texts: dict[str, str] | None = None, around: Around | None = None, **more: Any) -> Found:  # noqa: ANN401 - whatever the fields hold
    read = Read(Path("/w"), **{"remotes": (ORIGIN,), "branches": ("main",), "texts": texts or {}} | more)
    return found(read, around or Around())


def test_a_pipeline_is_watched_by_what_it_reads_and_not_by_what_it_makes() -> None:
    """Paths from the checkout's top; templates, other folders' and other places' files are left out."""
    dvc = pipeline({"dvc.yaml": STAGES, ".dvc/config": S3, "params.yaml": ""}, "models/a/")
    assert dvc is not None
    assert ("prepare", "train", "each", "odd") == dvc.stages
    expected = [
        "data/raw",
        "dvc.lock",
        "dvc.yaml",
        "models/net",
        "other.yaml",
        "params.yaml",
        "src/prepare.py",
        "src/train.py",
    ]
    assert [f"models/a/{path}" for path in expected] == list(dvc.watched)
    assert ("s3", "acme-data", "eu-north-1") == (dvc.kind, dvc.bucket, dvc.region)


@pytest.mark.parametrize(
    "text", ["", "[", "stages: 3", "stages: {a: [], b: {deps: 5, params: x, do: 4}}", "- x", "\0", "a: &a [*a]"]
)
def test_a_pipeline_that_cannot_be_read_is_one_without_stages_or_paths(text: str) -> None:
    """What people have broken, init does not have to mend."""
    dvc = pipeline({"dvc.yaml": text, ".dvc/config": text}, "")
    assert dvc is not None
    assert {"dvc.yaml", "dvc.lock", "params.yaml"} >= set(dvc.watched)
    assert pipeline({"train.py": ""}, "") is None


@given(st.text(max_size=200))
def test_no_text_of_a_checkout_makes_detection_fail(text: str) -> None:
    """Every file that is looked at may hold anything."""
    names = ("dvc.yaml", ".dvc/config", "pyproject.toml", "requirements.txt", ".python-version", "runnerkit.toml")
    result = known(dict.fromkeys(names, text), Around(aws_config=text, region=text, profile=text))
    assert result.region == "" or result.region.isascii()
    assert result.packages.python in {"3.11", "3.12", "3.13"}


@pytest.mark.parametrize(
    ("texts", "manager", "python", "gpu"),
    [
        ({}, "", "3.13", "t4"),
        ({"requirements.txt": "scikit-learn==1\ntorchvision\n", ".python-version": "3.12.4\n"}, "pip", "3.12", "0"),
        ({"requirements.txt": "dvc[s3]\nTorch==2.1 # x\n"}, "pip", "3.13", "t4"),
        ({"uv.lock": "", "requirements.txt": "", "pyproject.toml": JAX}, "uv", "3.11", "t4"),
        ({"poetry.lock": "", "pyproject.toml": TENSORFLOW}, "poetry", "3.13", "t4"),
        ({"pyproject.toml": '[project]\nname = "x"'}, "project", "3.13", "0"),
        ({"pyproject.toml": "[tool.ruff]"}, "", "3.13", "t4"),
        ({"uv.lock": ""}, "", "3.13", "t4"),
        ({"pyproject.toml": '[project]\nrequires-python = "<3.13,!=3.9.*,>=3.12"'}, "project", "3.12", "0"),
        ({"pyproject.toml": '[project]\nrequires-python = "<3.12"'}, "project", "3.11", "0"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.12"'}, "project", "3.12", "0"),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = ">=3.9,<3.12"'}, "project", "3.11", "0"),
        ({"pyproject.toml": '[project]\nrequires-python = "==3.9.*"'}, "project", "3.11", "0"),
        ({"pyproject.toml": "tool = 5"}, "", "3.13", "t4"),
    ],
)  # fmt: skip
def test_packages_say_who_installs_them_and_whether_they_want_a_gpu(
    texts: dict[str, str], manager: str, python: str, gpu: str
) -> None:
    """A lock counts before what it was made from; Python is one that runnerkit runs on."""
    about = packages(texts)
    assert (manager, python, gpu) == (about.manager, about.python, deciding.usual_gpu(known(texts)))
    assert about.has_dvc == any("dvc" in text for text in texts.values())


@pytest.mark.parametrize(
    ("texts", "around", "expected"),
    [
        ({"runnerkit.toml": SET, ".dvc/config": S3}, Around(region="eu-west-1"), "us-west-2"),
        ({"pyproject.toml": '[tool.runnerkit.aws]\nregions = ["us-west-2"]'}, Around(), "us-west-2"),
        ({".dvc/config": S3}, Around(region="eu-west-1"), "eu-north-1"),
        ({}, Around(region="eu-west-1", aws_config="[default]\nregion = us-east-1"), "eu-west-1"),
        ({}, Around(profile="ml", aws_config=ML), "ap-south-1"),
        ({}, Around(region="eu-west-1; rm -rf /"), ""),
    ],
)  # fmt: skip
def test_the_region_is_that_of_what_is_set_then_of_the_data_then_of_the_environment(
    texts: dict[str, str], around: Around, expected: str
) -> None:
    """And nothing that is no region; without one it is asked for."""
    result = known(texts, around)
    assert (expected, bool(expected)) == (result.region, bool(result.region_from))
    assert ("region" in [each.key for each in deciding.questions(result, {})]) is (not expected)


def test_the_default_branch_is_github_s_then_the_remote_s_then_a_usual_one() -> None:
    """What is checked out is the last resort."""
    read = Read(Path("/w"), remotes=(ORIGIN,), head="develop", branches=("topic", "master"))
    assert "trunk" == found(read, Around(), hub=Hub(default_branch="trunk")).branch
    assert "develop" == found(read, Around()).branch
    assert "master" == known(branches=("topic", "master")).branch
    assert "topic" == known(branches=("topic",)).branch
    assert "main" == known(branches=("x${{github.token}}",)).branch


def test_what_a_person_should_know_is_told() -> None:
    """A pipeline elsewhere, a remote that is not on S3, a public repository."""
    assert "models/a/" in known(pipelines=("models/a/",)).notes[0]
    assert any(
        "gs" in note for note in known({"dvc.yaml": STAGES, ".dvc/config": "['remote \"x\"']\nurl=gs://x"}).notes
    )
    public = found(Read(Path("/w"), remotes=(ORIGIN,)), Around(), hub=Hub(private=False))
    assert "is public" in public.notes[0]


@pytest.mark.parametrize("prefix", ["a\nb/", "${{github.token}}/", "a\u202eb/"])
def test_a_folder_that_a_workflow_cannot_name_is_refused(prefix: str) -> None:
    """It would stand where GitHub fills in expressions."""
    with pytest.raises(ConfigError, match="cannot be named"):
        known(prefix=prefix)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("way", "lambda"), ("gpu", "z9"), ("gpu", "t4/profile=admin"), ("gpu", "t4; id"), ("region", "mars"),
        ("region", "eu-west-1'"), ("environment", "a\nb"), ("environment", "${{ secrets.X }}"),
        ("environment", "x" * 256),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_used_is_refused(key: str, value: str) -> None:
    """Before anything is written."""
    with pytest.raises(ConfigError):
        deciding.decide(known(), {key: value})


def test_nothing_is_asked_that_was_given() -> None:
    """And at most four things are asked at all."""
    assert ["way", "gpu", "region", "environment"] == [each.key for each in deciding.questions(known(), {})]
    assert ["environment"] == [each.key for each in deciding.questions(known(), {"way": "", "gpu": "", "region": ""})]
    assert "0" == deciding.decide(known(), {"gpu": "none"}).gpu
