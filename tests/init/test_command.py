"""``init`` as people use it: in checkouts of all shapes, on terminals and without, and where it must not write."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer

from runnerkit.beginning import hub
from runnerkit.beginning.remotes import address
from runnerkit.beginning.words import Hub
from runnerkit.cli.common import ending_well
from runnerkit.config import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.init.conftest import Checkout

CONFIG, MAIN, RESUME = "runnerkit.toml", ".github/workflows/runnerkit.yml", ".github/workflows/runnerkit-resume.yml"
PIPELINE = "stages: {a: {cmd: x, deps: [a.py]}}\n"


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def states(document: dict[str, object]) -> dict[str, str]:
    files = document["files"]
    assert isinstance(files, list)
    return {each["path"]: each["state"] for each in files}


def test_a_first_time_writes_what_a_second_time_finds(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings, files and next steps are told; the same again changes nothing; no secret is shown."""
    checkout.put(**{"dvc.yaml": PIPELINE, "requirements.txt": "torch\n"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASECRET")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("RUNNERKIT_STATE_DIR", "/nowhere")
    first = checkout.init("--offline", "--environment", "gpu")
    assert 0 == first.exit_code, first.output
    for text in ("acme/widgets on github.com (remote origin)", "DVC, 1 stages", "eu-west-1 (from the environment)",
                 "credentials by AWS_ACCESS_KEY_ID", "computes on a GPU: torch", ". runnerkit setup aws\n",
                 "runnerkit doctor", "runnerkit setup github --variable", "--secrets --environment gpu\n",
                 f"git add {CONFIG} {MAIN} {RESUME} && ", "begins with a pull request"):  # fmt: skip
        assert text in first.output
    assert "AKIASECRET" not in first.output
    assert "0o100644" == oct((checkout.top / CONFIG).stat().st_mode)
    assert ("eu-west-1",) == load({}, checkout.top)[0].aws.regions
    again = checkout.told("--offline", "--environment", "gpu")
    assert {CONFIG: "unchanged", MAIN: "unchanged", RESUME: "unchanged"} == states(again)
    assert (0, ["runnerkit-resume.yml", "runnerkit.yml"]) == (again["code"], sorted(again["found"]["users"]))


def test_what_is_there_is_shown_as_a_difference_and_left(checkout: Checkout) -> None:
    """Exit code 9; --force overwrites, --dry-run never does, and a file of others stays others'."""
    checkout.write(MAIN, "name: mine\n")
    done = checkout.init("--offline")
    assert (9, "name: mine\n") == (done.exit_code, checkout.read(MAIN))
    assert "-name: mine" in done.output
    assert "--force overwrites it" in done.output
    dry = checkout.told("--dry-run", "--force")
    assert ({CONFIG: "unchanged", MAIN: "replaced", RESUME: "unchanged"}, "name: mine\n") == (
        states(dry),
        checkout.read(MAIN),
    )
    assert 0 == checkout.init("--force", "--offline").exit_code
    assert "name: runnerkit\n" in checkout.read(MAIN)
    assert ["runnerkit-resume.yml", "runnerkit.yml"] == sorted(
        each.name for each in (checkout.top / MAIN).parent.iterdir()
    )


def test_a_dry_run_writes_nothing_and_shows_everything(checkout: Checkout) -> None:
    """Not even a folder."""
    done = checkout.init("--dry-run", "--way", "controller")
    assert (0, [".git"]) == (done.exit_code, names(checkout.top))
    assert "would be written" in done.output
    assert "runs-on: runnerkit=${{ github.run_id }}/gpu=t4" in done.output


def test_settings_of_pyproject_are_not_hidden(checkout: Checkout) -> None:
    """One file is read, so a second one would silently win."""
    checkout.write("pyproject.toml", '[tool.runnerkit.aws]\nregions = ["us-west-2"]\n')
    document = checkout.told()
    assert (9, "kept") == (document["code"], states(document)[CONFIG])
    assert "would not be read any more" in document["files"][0]["why"]
    assert "us-west-2" in checkout.read(MAIN)
    assert not (checkout.top / CONFIG).exists()
    assert [f"git add {MAIN} {RESUME} "] == [line.partition("&&")[0] for line in document["next"] if "git add" in line]


@pytest.mark.parametrize("where", ["below", "worktree"])
def test_a_folder_within_and_a_worktree_are_the_project_s(
    checkout: Checkout, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Configuration beside the pipeline, workflows at the top of the checkout in which one stands."""
    checkout.put(**{"models/a/dvc.yaml": PIPELINE, "models/a/src/x.py": ""})
    top = checkout.top
    if where == "worktree":
        checkout.git("add", ".")
        checkout.git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--message", "x")
        top = tmp_path / "tree"
        checkout.git("worktree", "add", "--quiet", str(top))
    monkeypatch.chdir(top / "models/a/src")
    assert {f"models/a/{CONFIG}", MAIN, RESUME} == set(states(checkout.told()))
    assert (top / "models/a" / CONFIG).is_file()
    assert 'working-directory: "models/a"' in (top / MAIN).read_text(encoding="utf-8")
    monkeypatch.chdir(top)
    assert "models/a/" in " ".join(checkout.told("--dry-run")["found"]["notes"])


@pytest.mark.parametrize(
    ("setup", "options", "expected"),
    [
        ([["remote", "set-url", "origin", "gh:acme/gears"], ["config", "url.https://github.com/.insteadOf", "gh:"]],
         [], "acme/gears"),
        ([["remote", "remove", "origin"]], ["--repo", "acme/gears"], "acme/gears"),
        ([["remote", "add", "fork", "git@github.com:me/widgets"]], [], "acme/widgets"),
        ([["remote", "set-url", "origin", "https://u:pw@git.acme.example/acme/widgets"]], [], "acme/widgets"),
    ],
)  # fmt: skip
def test_remotes_in_every_form(checkout: Checkout, setup: list[list[str]], options: list[str], expected: str) -> None:
    """The rewriting of git itself is applied, what is given wins, and a password in an address goes nowhere."""
    for words in setup:
        checkout.git(*words)
    document = checkout.told("--offline", *options)
    assert (0, expected) == (document["code"], document["found"]["address"]["repo"])
    assert "pw" not in str(document["found"]).split()
    assert ":pw@" not in str(document)


@pytest.mark.parametrize(
    "setup", [["remote", "remove", "origin"], ["remote", "set-url", "origin", "x://${{github.token}}/a/b"]]
)
def test_without_a_repository_nothing_is_written(checkout: Checkout, setup: list[str]) -> None:
    """The error says what to give."""
    checkout.git(*setup)
    document = checkout.told()
    assert (2, [".git"]) == (document["code"], names(checkout.top))
    assert "--repo OWNER/NAME" in document["error"]["hint"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_that_windows_wrote_are_read(checkout: Checkout, encoding: str) -> None:
    """With a mark at the beginning and its ends of lines; pip reads them, too."""
    checkout.write("requirements.txt", "").write_bytes("torch\r\ndvc[s3]\r\n".encode(encoding))
    checkout.write(".dvc/config", "").write_bytes("['remote \"r\"']\r\nurl = s3://acme-data/x\r\n".encode(encoding))
    found = checkout.told("--dry-run", "--offline")["found"]
    assert ("torch", True) == (found["packages"]["gpu_library"], found["packages"]["has_dvc"])
    assert "s3://acme-data/x" == found["pipeline"]["place"]


def test_outside_of_a_checkout_it_says_so(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within .git itself, and in a repository without files."""
    bare = tmp_path / "bare"
    checkout.git("init", "--quiet", "--bare", str(bare))
    for folder in (tmp_path / "home", checkout.top / ".git", bare):
        monkeypatch.chdir(folder)
        document = checkout.told()
        assert (2, "git init") == (document["code"], document["error"]["hint"][-8:])
        assert not (folder / CONFIG).exists()


def test_a_link_that_leads_out_of_the_checkout_is_not_followed(checkout: Checkout, tmp_path: Path) -> None:
    """Nothing at all is written then."""
    (checkout.top / ".github").symlink_to(tmp_path / "home")
    document = checkout.told()
    assert (2, True) == (document["code"], "leads out of the checkout" in document["error"]["message"])
    assert [] == names(tmp_path / "home")
    assert not (checkout.top / CONFIG).exists()


def test_a_token_goes_only_where_the_environment_says(checkout: Checkout) -> None:
    """A checkout may name any host; github.com and the environment's own address are asked, others are not."""
    assert checkout.top.is_dir()
    ours, theirs = address("git@github.com:acme/widgets"), address("git@evil.example:acme/widgets")
    assert ours is not None
    assert theirs is not None
    assert ("https://api.github.com", "") == (hub.where(ours, {}), hub.where(theirs, {}))
    assert "http://127.0.0.1:1" == hub.where(theirs, {"GITHUB_API_URL": "http://127.0.0.1:1"})
    assert (Hub(), "") == hub.look(theirs, {"GH_TOKEN": "x"})
    assert "no answer" in hub.look(ours, {"GH_TOKEN": "x", "GITHUB_API_URL": "http://127.0.0.1:9"})[1]


def test_a_question_without_an_answer_is_an_interruption() -> None:
    """Ctrl-C, or an end of input, where somebody is asked: the documented exit code, and no other word for it."""
    with pytest.raises(typer.Exit) as ended, ending_well(as_json=False, interrupted="stopped"):
        raise typer.Abort
    assert 130 == ended.value.exit_code


def test_on_a_terminal_it_asks_little_and_asks_again(checkout: Checkout) -> None:
    """Four questions, one of them twice; a yes overwrites what was shown."""
    checkout.write(CONFIG, "[aws]\n")
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "runnerkit", "init", "--offline"]
    process = subprocess.Popen(command, cwd=checkout.top, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)
    os.write(master, b"\nz9\nl4\neu-west-1\ngpu\ny\n")
    text = b""
    while True:
        try:
            read = os.read(master, 4096)
        except OSError:  # the other side is closed
            break
        if not read:
            break
        text += read
    os.close(master)
    assert 0 == process.wait(60), text.decode()
    assert 2 == text.count(b"GPU, such as")
    assert b"or a controller [launch]:" in text
    config, _ = load({}, checkout.top)
    assert (("eu-west-1",), {"l4"}) == (config.aws.regions, {wish.model for wish in config.fallback().gpu})
    assert 'environment: "gpu"' in checkout.read(MAIN)
