"""What needs an extra that is not installed says which, before it does anything."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from runnerkit import drawing, extras
from runnerkit.cli.commands import app
from runnerkit.errors import ConfigError
from tests.packaging.conftest import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

# For each extra a command that cannot do without.
COMMANDS = {
    "sandbox": [["sandbox", "up", "--detach"], ["sandbox", "up"]],
    "demo": [["demo"]],
    "serve": [["serve", "--repo", "acme/widgets"]],
    "promote": [["promote", "show", "model"]],
}
CASES = [
    pytest.param(extra, module, words, id=f"{module} for {' '.join(words)}")
    for extra, lines in COMMANDS.items()
    for words in lines
    for module in extras.EXTRAS[extra]
]
FIXTURES = """
def test_ec2(ec2):
    "Uses the fixture."

def test_github(github):
    "Uses the fixture."
"""
BLOCKED = """
import sys
import pytest
sys.modules["moto"] = None
sys.exit(pytest.main(["-p", "no:cacheprovider", "-q", sys.argv[1]]))
"""


@pytest.mark.parametrize(("extra", "module", "words"), CASES)
def test_a_command_names_the_extra_it_needs(
    extra: str, module: str, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whichever package of it is missing: a sentence, the way out, exit code 2, and nothing started."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words)
    assert 2 == done.exit_code
    assert f"this needs the package {module}, which is not installed" in " ".join(done.stderr.split())
    assert f"runnerkit[{extra}]" in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_every_extra_is_asked_for_somewhere() -> None:
    """An extra that is added needs a line above, or a test of its own here."""
    assert {*COMMANDS, "report"} == set(extras.EXTRAS)


def test_plots_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report can be written without pictures; who asks for one hears what is missing."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert not drawing.can_draw()
    with pytest.raises(ConfigError) as caught:
        drawing.drawn({})
    assert "runnerkit[report]" in caught.value.hint


def test_fixtures_name_the_extra(tmp_path: Path) -> None:
    """Somebody's own test that uses `ec2` or `github` fails with one line, not with a traceback of ours."""
    (tmp_path / "test_theirs.py").write_text(FIXTURES)
    command = [sys.executable, "-c", BLOCKED, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert "this fixture needs the sandbox: install runnerkit with its extra" in done.stdout
    assert "2 errors in" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_an_odd_module_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module without a spec, as some test tools put there, counts as missing rather than as an error."""
    odd: Any = type(sys)("gto")
    monkeypatch.setitem(sys.modules, "gto", odd)
    assert not extras.has("promote")
