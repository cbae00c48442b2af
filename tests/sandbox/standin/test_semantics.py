"""What workflows may rely on: values of every shape, odd paths, floods, and characters beyond ASCII."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox import standin
from runnerkit.sandbox.standin.program.commandfiles import readable
from runnerkit.sandbox.standin.program.lines import LONGEST, Lines, Masks
from tests.sandbox.github_world import REPO
from tests.sandbox.standin.running import StandIn, ended, payload, said

if TYPE_CHECKING:
    from pathlib import Path

    from runnerkit.sandbox.github import GitHubWorld

SET = r"""
printf 'plain=a=b==c\n' >>"$GITHUB_OUTPUT"
printf 'many<<END\nfirst\nplain=no\n\nlast  \nEND\n' >>"$GITHUB_OUTPUT"
printf 'many<<E_O_F\nvalue=1\n"quoted" $HOME\nE_O_F\nPLAIN=x=y\n' >>"$GITHUB_ENV"
mkdir -p 'my bin'; printf '#!/bin/sh\necho mine\n' >'my bin/tool'; chmod +x 'my bin/tool'
echo "$PWD/my bin" >>"$GITHUB_PATH"
"""
GET = """
tool
echo "$many"; echo "$PLAIN"
cat <<'OUT'
${{ steps.set.outputs.plain }}
${{ steps.set.outputs.many }}
OUT
"""


def test_values_of_every_shape_pass_from_step_to_step(runner: StandIn) -> None:
    """Equals signs, lines and delimiters in outputs and variables; a folder with a space on the path."""
    job = runner.steps([{"id": "set", "run": SET}, {"name": "Get", "run": GET}])
    lines = said(job, "Get").splitlines()[2:]
    assert lines == ["mine", "value=1", '"quoted" $HOME', "x=y", "a=b==c", "first", "plain=no", "", "last  "]


@pytest.mark.parametrize(
    ("text", "good", "wrong"),
    [
        ("", "", ""),
        ("a=1\n\nb=\n", "a=1\n\nb=\n", ""),
        ("a=x<<y\n=1\n", "a=x<<y\n", "Invalid format '=1'. Name must not be empty"),
        ("a<<E=F\nx\nE=F\r\nb=2", "a<<E=F\nx\nE=F\r\nb=2", ""),
        ("a=1\nb<<E\nnever ends\n", "a=1\n", "Invalid value. Matching delimiter not found 'E'"),
        ("<<E\nE\n", "", "Invalid format '<<E'. Name must not be empty and delimiter must not be empty"),
        ("v=3.1\nconfirmed\nb=2\n", "v=3.1\n", "Invalid format 'confirmed'"),
    ],
)
def test_command_files_are_read_as_github_reads_them(text: str, good: str, wrong: str) -> None:
    """What stands before an unreadable line counts; the line is told in GitHub's words."""
    assert (good, wrong) == readable(text)


def test_a_line_that_is_no_output_fails_its_step(runner: StandIn) -> None:
    """Although its command ended well; what was written before counts, and what comes later does not."""
    script = "printf 'v=3.1\\nconfirmed\\nw=2\\n' >>$GITHUB_OUTPUT; printf 'A=1' >>$GITHUB_ENV"
    look = "echo ${{ steps.set.outputs.v }} ${{ steps.set.outputs.w }} ${{ steps.set.outcome }} $A"
    job = runner.steps([{"id": "set", "name": "Set", "run": script}, {"name": "Look", "if": "always()", "run": look}])
    assert ("failure", "failure", "success") == (job.conclusion, *(ended(job)[name] for name in ("Set", "Look")))
    assert said(job, "Set").splitlines()[-2:] == [
        "##[error]Unable to process file command 'output' successfully.",
        "##[error]Invalid format 'confirmed'",
    ]
    assert said(job, "Look").splitlines()[-1] == "3.1 failure 1"


def test_conditions_know_how_earlier_steps_ended(runner: StandIn) -> None:
    """The outcome is before continue-on-error, conclusion after it; a step that did not run is skipped in both."""
    job = runner.steps(
        [
            {"id": "bad", "name": "Bad", "run": "exit 1", "continue-on-error": True},
            {"id": "never", "name": "Never", "run": "true", "if": "false"},
            {"name": "Saw", "run": "true", "if": "steps.bad.outcome == 'failure' && steps.bad.conclusion == 'success'"},
            {"name": "Skip", "run": "true", "if": "steps.never.outcome != 'skipped'"},
            {"name": "Bang", "run": "true", "if": "${{ !cancelled() && steps.bad.outcome != 'success' }}"},
        ]
    )
    assert [ended(job)[name] for name in ("Bad", "Never", "Saw", "Skip", "Bang")] == [
        "success",
        "skipped",
        "success",
        "skipped",
        "success",
    ]
    assert job.conclusion == "success"


def test_many_steps_and_a_step_without_output(runner: StandIn) -> None:
    """Forty of them, and one that closes its own output and goes on."""
    more: list[dict[str, str]] = [{"name": f"Step {number}", "run": ":", "shell": "true"} for number in range(37)]
    shut = {"name": "Shut", "run": "echo before; exec >&- 2>&-; echo lost || touch kept"}
    job = runner.steps([shut, {"name": "Kept", "run": "test -e kept"}, *more, {"name": "Last", "run": "echo end"}])
    assert said(job, "Shut").splitlines()[2:] == ["before"]
    assert (job.conclusion, len(job.steps), said(job, "Last").splitlines()[2]) == ("success", 42, "end")


def test_characters_beyond_ascii(runner: StandIn) -> None:
    """In the workflow itself, in names, values and the log; colours and bytes that are no text do no harm."""
    script = "echo 'ü 日本 \U0001f680' \"$WHO\"; printf '\\033[31mred\\033[0m \\377\\000end\\n'; echo '\\ud83d\\ude80'"
    job = runner.run(payload({"name": "Go \U0001f680", "run": script, "env": {"WHO": "\U0001f600é"}}))
    lines = said(job, "Go \U0001f680").splitlines()[2:]
    assert lines == ["ü 日本 \U0001f680 \U0001f600é", "\033[31mred\033[0m \ufffd\x00end", "\\ud83d\\ude80"]


def test_a_checkout_with_spaces_and_every_letter_in_its_path(world: GitHubWorld, tmp_path: Path) -> None:
    """Runner, interpreter, hook, artifacts and the workspace."""
    place = tmp_path / "a b's" / "ü €"
    place.mkdir(parents=True)
    runner = StandIn(place / "runner", world)
    (place / "python").symlink_to(sys.executable)
    standin.install(runner.root, python=place / "python")
    (place / "hook.sh").write_text("echo hooked\n")
    sha = world.push(REPO, {"file": "1\n"})
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v5"},
        {"name": "Look", "run": "cat file; pwd"},
        {"name": "Python", "run": "print('py')", "shell": "python"},
        {"name": "Own", "run": "print 'perl'", "shell": "perl {0}"},
        {"uses": "actions/upload-artifact@v5", "with": {"name": "x y ü", "path": "file"}},
        {"uses": "actions/download-artifact@v5", "with": {"name": "x y ü", "path": "out dir"}},
        {"run": "test -e 'out dir/file'"},
    ]
    hook = {"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(place / "hook.sh")}
    job = runner.run(payload(*steps, github={"sha": sha, "ref": "refs/heads/main"}), **hook)
    assert job.conclusion == "success", job.log
    assert said(job, "Set up runner").endswith("hooked")
    assert said(job, "Look").splitlines()[2:] == ["1", str(runner.root / "_work/train/train")]
    assert (said(job, "Python")[-2:], said(job, "Own")[-4:]) == ("py", "perl")


def test_a_flood_costs_time_but_no_memory(runner: StandIn) -> None:
    """Twenty megabytes of lines: all of them arrive, and no process of the runner grows by as much."""
    count = 400_000
    # ps fills up with spaces, by as many as there are digits in the largest number.
    look = "up() { ps -o ppid= -p $1 | tr -d ' '; }\ngrep VmHWM /proc/$(up $(up $(up $$)))/status | tr -dc 0-9"
    flood = {"name": "Flood", "run": f"yes 'fifty characters, which make twenty megabytes all in' | head -n {count}"}
    job = runner.steps([flood, {"name": "Worker", "run": look}])
    assert said(job, "Flood").count("fifty characters") == count
    assert int(said(job, "Worker").splitlines()[2]) < 120_000


def test_a_line_without_end_shows_no_secret() -> None:
    """It is cut into lines of a mebibyte, never inside of a secret."""
    masks = Masks(["s3cr3t" * 5])
    lines = Lines(masks)
    shown = ""
    for number in range(300):
        shown += lines.feed("x" * 10_000 + ("s3cr3t" * 5)[: 30 if number % 2 else 15])
        shown += lines.feed("" if number % 2 else ("s3cr3t" * 5)[15:])
    shown += lines.feed("", last=True)
    assert "s3cr3t" not in shown
    assert shown.count("***") == 300
    assert 2 <= shown.count("\n") <= 1 + 300 * 10_030 // LONGEST


def test_a_line_of_spaces_after_a_command_costs_no_time() -> None:
    """Its shape once made the time grow with the square of its length."""
    began = time.thread_time()
    Lines(Masks([])).feed("::error " + " " * 200_000 + "x\n")
    assert time.thread_time() - began < 1


def test_a_program_that_is_none_is_told(runner: StandIn, tmp_path: Path) -> None:
    """A program for another processor: the job fails and says so."""
    (tmp_path / "act").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(57))
    (tmp_path / "act").chmod(0o755)
    standin.install(runner.root, act=tmp_path / "act")
    job = runner.steps([{"run": "true"}])
    assert job.conclusion == "failure"
    assert "act cannot be started" in job.annotations[0]


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_steps_have_the_real_folders(runner: StandIn, tmp_path: Path, name: str) -> None:
    """Not those that act is given; without any, none is invented."""
    job = runner.steps([{"name": "Look", "run": f'echo "[${{{name}-none}}]"'}], **{name: str(tmp_path)})
    assert said(job, "Look").splitlines()[2:] == [f"[{tmp_path}]"]
    assert not list(tmp_path.glob("act"))


def test_checkout_takes_a_tag_and_refuses_submodules(runner: StandIn) -> None:
    """A tag is fetched by its name; what cannot be had is an error where leaving it out would change the job."""
    sha = runner.world.push(REPO, {".gitmodules": '[submodule "x"]\n'})
    github = {"sha": sha, "ref": "refs/heads/main"}
    tag = {"run": "git tag v1 && git push --quiet origin v1"}
    again = {"uses": "actions/checkout@v5", "with": {"ref": "v1", "path": "again"}}
    look = {"name": "Look", "run": "git -C again rev-parse HEAD; git -C again describe --tags --exact-match"}
    sub = {"name": "Sub", "uses": "actions/checkout@v5", "with": {"submodules": "recursive"}}
    more = {"github": github, "permissions": {"contents": "write"}}
    job = runner.run(payload({"uses": "actions/checkout@v5"}, tag, again, look, sub, **more))
    assert said(job, "Look").splitlines()[2:] == [sha, "v1"]
    assert ended(job)["Sub"] == "failure"
    assert "cannot fetch submodules" in job.annotations[0]
