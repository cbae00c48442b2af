"""The action `launch`: its inputs are the command's options, and whatever they hold stays a value."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
import yaml
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.config import load

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / ".github" / "actions" / "launch"
SETUP = ROOT / ".github" / "actions" / "setup"
# Options of the command that are no inputs, and why.
LEFT_OUT = {
    "json": "the outputs tell the same, and a log is for people",
    "help": "docs/action.md is",
}
# Inputs that are no options, and what they are for.
OWN = {
    "token": "GH_TOKEN",
    "app-id": "RUNNERKIT_GITHUB__APP_ID",
    "app-key": "RUNNERKIT_GITHUB__PRIVATE_KEY",
    "role": "the step that becomes the AWS role",
    "aws-region": "AWS_REGION",
    "package": "what is installed",
    "version": "what is installed",
    "working-directory": "where the command runs",
}
HOSTILE = [
    "'; touch pwned; '",
    '"; touch pwned; "',
    "$(touch pwned)",
    "`touch pwned`",
    "--help",
    "-x",
    "a\nb",
    "a b  c",
    "*",
    "${HOME}",
    "\\",
    "%0A::set-output name=label::x",
    "{{ 1 }}",
    "é\u2028",
]
FAKE = """#!{python}
import json, os, sys
names = [each for each in os.environ if each in ("GH_TOKEN", "AWS_REGION") or each.startswith("RUNNERKIT_")]
print(json.dumps({{"words": sys.argv[1:], "given": {{n: os.environ[n] for n in names}}}}))
"""


def action(folder: Path) -> dict[str, Any]:
    """Read an action."""
    found: dict[str, Any] = yaml.safe_load((folder / "action.yml").read_text(encoding="utf-8"))
    return found


def options() -> dict[str, bool]:
    """The long options of `runnerkit launch`, and whether each is a flag."""
    group: Any = typer.main.get_command(app)
    return {
        name.removeprefix("--"): bool(getattr(parameter, "is_flag", False))
        for parameter in group.commands["launch"].params
        for name in parameter.opts
        if name.startswith("--")
    }


def test_every_option_is_an_input_or_has_a_reason() -> None:
    """What the command can do, the action can: nothing is missing, and no input leads nowhere."""
    inputs = set(action(LAUNCH)["inputs"])
    assert inputs - set(OWN) == set(options()) - set(LEFT_OUT)


def test_the_script_knows_every_option() -> None:
    """Flags are passed as flags, all others with their value, and the action hands each over by the environment."""
    script = (LAUNCH / "launch.sh").read_text(encoding="utf-8")
    words = re.search(r"^options=\((.*?)\)", script, re.MULTILINE | re.DOTALL)
    flags = re.search(r"^flags=\((.*?)\)", script, re.MULTILINE)
    assert words is not None
    assert flags is not None
    wanted = {name: flag for name, flag in options().items() if name not in LEFT_OUT}
    assert set(words[1].split()) == {name for name, flag in wanted.items() if not flag}
    assert set(flags[1].split()) == {name for name, flag in wanted.items() if flag}
    (step,) = [each for each in action(LAUNCH)["runs"]["steps"] if each.get("id") == "launch"]
    for name in wanted:
        assert step["env"][f"INPUT_{name.upper().replace('-', '_')}"] == f"${{{{ inputs.{name} }}}}"


@pytest.mark.parametrize("folder", [LAUNCH, SETUP], ids=["launch", "setup"])
def test_no_input_is_part_of_a_shell_line(folder: Path) -> None:
    """What is run is the same text for every caller; expressions stand in `env` and `with` alone."""
    for step in action(folder)["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), step
        assert "${{" not in step.get("shell", "")


def test_outputs_are_what_the_command_writes(tmp_path: Path) -> None:
    """Each output of the action comes from the step that launches, under the name that the command writes."""
    from runnerkit.cli import actions

    path = tmp_path / "output"
    actions.write_outputs("runnerkit=1/gpu=t4", [], {"GITHUB_OUTPUT": str(path)})
    written = set(re.findall(r"^(\w+)<<", path.read_text(encoding="utf-8"), re.MULTILINE)) | {"work"}
    outputs = action(LAUNCH)["outputs"]
    assert set(outputs) == written
    assert {each["value"] for each in outputs.values()} == {f"${{{{ steps.launch.outputs.{n} }}}}" for n in outputs}


# --- what the script does with values ---------------------------------------------------------------------------------


def launched(folder: Path, inputs: Mapping[str, str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a program in runnerkit's place that tells its words."""
    fake = folder / "python"
    fake.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
    fake.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    given = {f"INPUT_{name.upper().replace('-', '_')}": value for name, value in inputs.items()}
    return subprocess.run(
        [bash, str(LAUNCH / "launch.sh")],
        env={"PATH": os.environ["PATH"], "PROGRAM": str(fake), **given, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_hostile_values_stay_values(tmp_path: Path) -> None:
    """Whatever inputs hold, the command gets each as one word behind its option, and nothing else runs."""
    names = [name for name, flag in options().items() if not flag and name not in LEFT_OUT]
    for start in range(0, len(HOSTILE), 5):
        inputs = {name: HOSTILE[(start + place) % len(HOSTILE)] for place, name in enumerate(names)}
        inputs |= {"token": HOSTILE[start], "wait": "true"}
        done = launched(tmp_path, inputs)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        head, values = told["words"][:4], told["words"][4:]
        assert head == ["-I", "-m", "runnerkit", "launch"]
        assert sorted(values) == sorted([*(f"--{name}={inputs[name]}" for name in names), "--wait"])
        assert told["given"] == {"GH_TOKEN": HOSTILE[start], "RUNNERKIT_GITHUB__APP_ID": ""}
    assert [each.name for each in tmp_path.iterdir()] == ["python"]


def test_what_is_not_given_leaves_the_jobs_own(tmp_path: Path) -> None:
    """Empty inputs are no options, and variables that the job has already stay as they are."""
    names = [*options(), *OWN]
    done = launched(tmp_path, dict.fromkeys(names, ""), GH_TOKEN="mine", AWS_REGION="eu-west-1")
    told = json.loads(done.stdout)
    assert told["words"][4:] == []
    assert told["given"] == {"GH_TOKEN": "mine", "AWS_REGION": "eu-west-1"}


@pytest.mark.parametrize(
    ("inputs", "token", "app"),
    [
        ({"token": "new"}, "new", None),
        ({"app-id": "8", "app-key": "new"}, None, "8"),
        # As `secrets: inherit` brings it.
        ({"token": "new", "app-id": "8", "app-key": "new"}, None, "8"),
        ({"token": "new", "app-key": "new"}, None, "5"),
    ],
)
def test_who_is_given_wins(tmp_path: Path, inputs: Mapping[str, str], token: str | None, app: str | None) -> None:
    """A token or an App of the inputs is who launches, whoever else the job and its configuration name."""
    (tmp_path / "runnerkit.toml").write_text('[github]\napp_id = "5"\n', encoding="utf-8")
    more = {} if "app-key" in inputs and "app-id" not in inputs else {"RUNNERKIT_GITHUB__TOKEN": "old"}
    done = launched(tmp_path, inputs, GITHUB_TOKEN="old", **more)
    given = json.loads(done.stdout)["given"]
    github = load({"GITHUB_TOKEN": "old", **given}, tmp_path)[0].github
    assert (github.token and github.token.get_secret_value(), github.app_id) == (token, app)


def test_a_flag_is_true_or_false(tmp_path: Path) -> None:
    """A flag with another value fails before anything is launched, by its name."""
    done = launched(tmp_path, {"wait": "yes; touch pwned"})
    assert (done.returncode, done.stdout) == (1, "::error::the input wait is true or false\n")


@pytest.mark.parametrize("option", ["scope", "gpu", "image"])
def test_a_value_is_no_second_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """A branch called like a part of a label, given as scope or as the value of a key, asks for nothing more."""
    monkeypatch.chdir(tmp_path)
    words = ["launch", f"--{option}=x/profile=Admin/type=p5.48xlarge", "--dry-run", "--json"]
    done = CliRunner().invoke(app, words, env={"GITHUB_REPOSITORY": "acme/widgets", "GH_TOKEN": "x"})
    assert (done.exit_code, "would begin another key" in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("package", "version", "said"),
    [
        ("--pre", "", "it is no option"),
        ("", "1.0; touch pwned", "is a version"),
        ("", "-1", None),
        ("a", "1", "not both"),
    ],
)
def test_what_is_installed_is_no_option(tmp_path: Path, package: str, version: str, said: str | None) -> None:
    """A package that pip would take for an option is refused; a version is a version."""
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, str(SETUP / "install.sh")],
        env={
            "PATH": os.environ["PATH"],
            "PACKAGE": package,
            "VERSION": version,
            "PYTHON": "/bin/false",
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_ACTION_PATH": str(SETUP),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert not (tmp_path / "pwned").exists()
    if said is not None:
        assert said in done.stdout
