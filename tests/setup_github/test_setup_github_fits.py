"""What `init`, `setup aws` and `setup github` do by default fits together, and files are changed with care."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from runnerkit.beginning import deciding, following, writing
from runnerkit.beginning.finding import found
from runnerkit.beginning.words import Around, Read
from runnerkit.cli import setup_keys
from runnerkit.cli.commands import app
from runnerkit.cli.setup_asked import TOKEN_SECRET
from runnerkit.cli.setup_aws import ENVIRONMENT
from runnerkit.cli.setup_roles import of_account, roles
from runnerkit.config import Config
from runnerkit.setup.afterwards import following as following_aws
from runnerkit.setup.ports import Identity
from runnerkit.setup.table import resources
from runnerkit.setup.words import Found, Kind, Wanted, Where

if TYPE_CHECKING:
    from runnerkit.setup.words import Resource

REPO = "acme/widgets"
CHECKOUT = Read(
    Path("/w"),
    remotes=(("origin", "git@github.com:acme/widgets"),),
    texts={"dvc.yaml": "stages: {}", ".dvc/config": "['remote \"r\"']\nurl = s3://acme/data/x/\n"},
)
WHERE = Where("123456789012", "aws", ("eu-west-1",))


@dataclass
class Account:
    """An account in which `setup aws` has made what was wanted."""

    wanted: Wanted

    def identity(self) -> Identity:
        """Who asks."""
        return Identity(WHERE.account, WHERE.partition, "arn:aws:iam::123456789012:user/ada")

    def regions(self) -> tuple[str, ...]:
        """Where."""
        return WHERE.regions

    def look(self, resource: Resource) -> Found | None:
        """A role as it was made."""
        made = [each for each in resources(self.wanted, WHERE) if (each.kind, each.name) == (Kind.ROLE, resource.name)]
        return Found(made[0].properties, made[0].tags) if made else None


def parsed(line: str) -> dict[str, Any]:
    """The options of a line as the program understands them."""
    program, *words = shlex.split(line)
    command: Any = get_command(app)
    assert program == "runnerkit"
    while words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    parameters: dict[str, Any] = command.make_context("x", words).params
    return parameters


@pytest.mark.parametrize("environment", [None, "none", "model runs"])
def test_three_lines_that_are_copied_fit_together(environment: str | None) -> None:
    """Whatever environment is chosen: the role trusts it, GitHub gets it, and every name that workflows read is set."""
    known = found(CHECKOUT, Around())
    answers = deciding.decide(known, {} if environment is None else {"environment": environment})
    assert answers.environment == {None: ENVIRONMENT, "none": ""}.get(environment, environment)
    aws = parsed(following.setup_aws(known, answers))
    assert aws["data"] == "s3://acme/data/x"
    trusted = tuple(aws["environment"] or (() if aws["any_job"] else (ENVIRONMENT,)))
    assert trusted == ((answers.environment,) if answers.environment else ())

    made = Wanted(repos=(REPO,), environments=trusted, any_job=aws["any_job"], data="acme/data/x", groups=False)
    mine: Any = Account(made)
    seen = of_account(mine, Config(), [REPO])
    github = parsed(following.setup_github(answers, "runnerkit==1"))
    assert seen.environment == answers.environment == github["environment"]
    assert github["variable"] == ["RUNNERKIT=runnerkit==1"]

    printed = parsed(next(each.lines[0] for each in following_aws(made, WHERE) if each.where == "then"))
    assert (printed["role"], printed["job_role"]) == (seen.variables["AWS_ROLE"], seen.variables["AWS_JOB_ROLE"])
    assert (printed["region"], printed["environment"]) == (WHERE.home, answers.environment)

    texts = "".join(each.text for each in writing.drafts(known, answers) if each.path.endswith(".yml"))
    read = set(re.findall(r"vars\.(\w+)", texts))
    assert read == {"RUNNERKIT", *seen.variables}
    assert set(re.findall(r"secrets\.(\w+)", texts)) == {TOKEN_SECRET}
    assert github["secrets"]


def test_a_role_that_does_not_trust_the_repository_is_not_proposed() -> None:
    """Nor one without the owner's tag; without credentials nobody is asked."""
    mine: Any = Account(Wanted(repos=("acme/gears",), environments=("gpu",), groups=False))
    told = of_account(mine, Config(), [REPO])
    assert ({}, "") == (told.variables, told.environment)
    assert "runnerkit setup aws" in told.why
    whole: Any = Account(Wanted(repos=("acme/*",), environments=("gpu",), groups=False))
    assert "gpu" == of_account(whole, Config(), [REPO]).environment
    others: Any = Account(Wanted(owner="ml", repos=(REPO,), groups=False))
    assert ({}, "") == (of_account(others, Config(), [REPO]).variables, "")
    assert ({}, "") == (roles(Config(), [REPO], {"HOME": "/nowhere"}).variables, "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[github]\r\nrecovery = 1\r\n", '[github]\r\napp_id = "7"\r\nrecovery = 1\r\n'),
        ("[aws]\nx = 1", '[aws]\nx = 1\n\n[github]\napp_id = "7"\n'),
        ("[github] # ours", '[github] # ours\napp_id = "7"'),
        ("github.x = 1\n", None),
        ('[github]\napp_id = "8"\n', None),
    ],
)
def test_settings_are_written_as_the_file_is(tmp_path: Path, before: str, after: str | None) -> None:
    """Line ends, the mode and a link stay as they are; what is not understood is left."""
    real, link = tmp_path / "real.toml", tmp_path / "runnerkit.toml"
    real.write_bytes(before.encode())
    real.chmod(0o640)
    link.symlink_to(real)
    assert setup_keys.write_settings(link, {"app_id": "7"}) is (after is not None)
    assert real.read_bytes().decode() == (before if after is None else after)
    assert (link.is_symlink(), real.stat().st_mode & 0o777, len(list(tmp_path.iterdir()))) == (True, 0o640, 2)


def test_what_pip_is_told_is_what_runs_here() -> None:
    """A commit of a repository; an address with a password, a folder or a wheel is nothing that others can install."""
    git = {"url": "https://git.example/a/b", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
    assert following._of_address(git) == "runnerkit @ git+https://git.example/a/b@c0ffee"
    for other in ({**git, "url": "https://u:p@git.example/a/b"}, {"url": "file:///w", "dir_info": {}}):
        assert following._of_address(json.loads(json.dumps(other))) == ""
