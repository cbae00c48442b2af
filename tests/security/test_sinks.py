"""What strangers wrote, at each place where a text becomes something else: it stays a text.

A row is a sink: the real code that renders, and what must hold of what it made. Every row meets every hostile value.
"""

from __future__ import annotations

import configparser
import io
import json
import re
import shlex
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit import boot, labels, plain
from runnerkit.baking import boot as baking
from runnerkit.cli.actions import write_values
from runnerkit.cli.beside import tell
from runnerkit.cli.common import print_json
from runnerkit.cli.dvc import _Speaker
from runnerkit.cli.say import Narrator, tell_error
from runnerkit.cli.tables import Column, print_table
from runnerkit.consoles import shown
from runnerkit.credentials.profile import installed
from runnerkit.credentials.role import Role
from runnerkit.errors import ConfigError, LabelError, RunnerkitError
from runnerkit.events import JobSeen
from runnerkit.job import wording
from runnerkit.job.document import escaped
from runnerkit.job.notifying import Message, Moment
from runnerkit.names import RunnerName, Secret
from runnerkit.ports import Machine
from runnerkit.system import LogEvents
from runnerkit.versioning.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "$(touch owned)",
    "`touch owned`",
    "'; touch owned; '",
    '"; touch owned; "',
    "a\ntouch owned\n",
    "a\r\n::set-output name=label::owned",
    "::add-mask::e",
    "  ::stop-commands::owned",
    "x ##[set-output name=label;]owned",
    "\x1b]0;owned\x07\x1b[2J\x1b[1;1H",
    "\x9b2Jx\u202edenwo\u2066",
    "</script><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1)) ![x](http://owned.example/x)",
    "| a | b |\n| --- | --- |\n# owned\n@acme/all #1",
    "<!channel> <@U1> <http://owned.example|here>",
    "[red]x[/red] [/owned]",
    "=cmd|' /C calc'!A1",
    "../../../etc/passwd",
    "--upload-pack=touch owned",
    "-oProxyCommand=touch owned",
    "%s%n{0}{__class__} ${{ secrets.TOKEN }}",
    "key: !!python/object/apply:os.system [touch owned]",
    "a\x00b",
    "[Service]\nExecStart=/bin/owned",
    "\ud800",
    "\N{FULLWIDTH DIGIT NINE}" * 20,
)
LABEL = "runnerkit=1/gpu=t4"
MACHINE = Machine("rk-7-1", "acme/widgets", (LABEL,), online_within=300, idle=300, life=3_600, baked=True)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def harmless_log(text: str) -> bool:
    """Whether a terminal and GitHub's runner find nothing in it but text."""
    orders = [line for line in re.split(r"[\r\n]", text) if line.lstrip().startswith("::")]
    return not (orders or "##[" in text or CONTROL.search(text))


@pytest.mark.parametrize("value", HOSTILE)
def test_terminals_and_workflow_logs(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Events, errors, tables, JSON and log lines that quote it move no cursor and order nothing of the runner."""
    stream, seen = io.StringIO(), JobSeen(7, 1, 1, value, value, value, value)
    Narrator(stream).emit(seen)
    assert 1 == stream.getvalue().count("\n")
    tell_error(RunnerkitError(value, hint=value), stream)
    for as_json in (True, False):
        LogEvents(stream, as_json=as_json).emit(seen)
    print_table([Column("A"), Column("B", folds=True)], [[value, value]])
    tell(value if not value.lstrip().startswith("::") else f"x {value}")
    print_json({"value": value.encode("utf-8", "replace").decode()})
    printed = capsys.readouterr()
    assert harmless_log(stream.getvalue() + printed.out + printed.err)
    assert value.encode("utf-8", "replace").decode() == json.loads(printed.out.splitlines()[-1])["value"]


@pytest.mark.parametrize("value", HOSTILE)
def test_orders_of_ours_to_the_runner(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning that quotes it is one order on one line; an output of a step is one output, whatever it holds."""
    value = value.encode("utf-8", "replace").decode()
    _Speaker(to_stderr=True)(f"::warning::runnerkit: {value}")
    tell(f"::notice::runnerkit: {value}")
    lines = [line for line in re.split(r"[\r\n]+", capsys.readouterr().err) if line]
    assert ["::warning::runnerkit: ", "::notice::runnerkit: "] == [line[: line.index(": ") + 2] for line in lines]
    assert not any("##[" in line for line in lines)


@pytest.mark.parametrize("value", HOSTILE)
def test_files_of_the_runner(value: str, tmp_path: Path) -> None:
    """Outputs stand between marks that nobody can guess."""
    value = value.encode("utf-8", "replace").decode()
    write_values({"label": value, "more": "x"}, {"GITHUB_OUTPUT": str(tmp_path / "out")})
    written = (tmp_path / "out").read_bytes().decode()
    (mark,) = set(re.findall(r"^(?:label|more)<<(runnerkit_[0-9a-f]{16})$", written, re.MULTILINE))
    assert f"label<<{mark}\n{value}\n{mark}\nmore<<{mark}\nx\n{mark}\n" == written
    assert mark not in value


@pytest.mark.parametrize("value", HOSTILE)
def test_user_data_and_units(value: str) -> None:
    """What a machine boots from is JSON, which is YAML that holds texts only; no unit and no command quotes it."""
    odd = replace(MACHINE, repo=value, labels=(value,), facts={"x": value})
    document = boot.document(odd, Secret("VGVzdA=="))
    plain_one = boot.document(MACHINE, Secret("VGVzdA=="))
    assert plain_one["bootcmd"] == document["bootcmd"]
    assert plain_one["runcmd"] == document["runcmd"]
    differ = [
        new["path"] for new, old in zip(document["write_files"], plain_one["write_files"], strict=True) if new != old
    ]
    assert [boot.MACHINE_FILE] == differ
    assert (
        boot.user_data(odd, Secret("VGVzdA==")).isascii() or boot.user_data(odd, Secret("VGVzdA=="))[:2] == b"\x1f\x8b"
    )


@pytest.mark.parametrize("value", HOSTILE)
def test_labels_and_names(value: str) -> None:
    """A label with it in any place is refused in words that can be printed; it never becomes a runner's name."""
    for before in ("", "runnerkit=", "runnerkit/gpu=", "runnerkit/profile=", f"{LABEL}/"):
        try:
            said = labels.format_label(labels.parse(before + value))
        except LabelError as error:
            said = error.message + error.hint
        assert said.isprintable()
        assert harmless_log(plain.lines(said))
    assert RunnerName.parse(value) is None


@pytest.mark.parametrize("value", [each for each in HOSTILE if "\x00" not in each and "\ud800" not in each])
def test_shells_of_the_baker(value: str, tmp_path: Path) -> None:
    """What goes into a command for the builder's shell comes out as one word of it."""
    done = subprocess.run(["sh", "-c", f"printf %s {baking._q(value)}"], cwd=tmp_path, capture_output=True, check=True)  # noqa: S607 - any sh
    assert value == done.stdout.decode()
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("value", HOSTILE)
def test_profiles_of_aws(value: str, tmp_path: Path) -> None:
    """A region or role that is none is refused, so the file that AWS's programs read has no line of a stranger's."""
    with pytest.raises(ConfigError):
        Role(value).checked()
    role = Role("arn:aws:iam::123456789012:role/train")
    with pytest.raises(ConfigError):
        replace(role, region=value).checked()
    environ = {"RUNNER_TEMP": str(tmp_path), "HOME": str(tmp_path)}
    with pytest.raises(ConfigError):
        installed(role, {**environ, "AWS_REGION": value})
    told = installed(role, environ)
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(told["AWS_CONFIG_FILE"])
    assert {"credential_process"} == set(parsed["profile runnerkit"])
    assert role.arn in shlex.split(parsed["profile runnerkit"]["credential_process"])


@pytest.mark.parametrize("value", HOSTILE)
def test_messages(value: str) -> None:
    """Mail, Slack and webhooks: no control signs, no mention, no link of a stranger's, no second header."""
    message = Message(Moment.FAILURE, value, value)
    subject, body, slack = wording.subject(message), wording.body(message), wording.slack(message)
    assert subject.isascii()
    assert subject.isprintable()
    assert not CONTROL.search(body)
    # A header is plain text, in which nothing begins a link or a mention.
    marked = [slack["text"], *(each["text"]["text"] for each in slack["blocks"] if each["type"] != "header")]
    assert not [text for text in marked if re.search(r"<[!@#]|<http://owned", text)]


@pytest.mark.parametrize("value", HOSTILE)
def test_reports(value: str) -> None:
    """In Markdown it is text: no heading, no table, no picture, no link, no mention, no HTML."""
    made = escaped(value)
    assert not re.search(r"(?<!\\)[<\[|`]|^#|\n", made)
    assert not re.search(r"(?<![\\\w])@\w", made)


@pytest.mark.parametrize("value", HOSTILE)
def test_arguments_of_git(value: str, tmp_path: Path) -> None:
    """A model's name that git could take for more than a part of a tag is none."""
    with pytest.raises(ConfigError):
        Registry(tmp_path, value, ("a", "a@example.org"))


@pytest.mark.parametrize("value", HOSTILE)
def test_consoles(value: str) -> None:
    """What a machine wrote to its console is shown without what a terminal would obey."""
    assert not CONTROL.search(shown(value).replace("\ud800", ""))


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_text_can_be_printed(text: str) -> None:
    """Whatever it is: harmless, whole where it was harmless, and the same when it is made harmless twice."""
    for made in (plain.lines(text), plain.one_line(text)):
        assert harmless_log(made)
        made.encode()
    assert plain.lines(plain.lines(text)) == plain.lines(text)
    assert "\n" not in plain.one_line(text)
    assert json.loads(plain.in_json(json.dumps(text))) == text
    assert not re.search(r"[\r\n]|##\[", plain.annotation(text))
    if text.isascii() and text.isprintable() and "::" not in text and "##[" not in text:
        assert text == plain.lines(text)
