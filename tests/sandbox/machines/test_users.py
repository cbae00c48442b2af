"""As whom a machine's job runs."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from runnerkit.sandbox.machines import users
from tests.sandbox.machines.yard import open_yard

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@needs_root
def test_root_lowers_the_job_where_that_user_can_run_python(tmp_path: Path) -> None:
    """It runs as nobody, with a home below the root; the supervisor stays root."""
    logins = users.choose(tmp_path, "/bin/true")
    nobody = pwd.getpwnam("nobody")
    assert (logins.runner, logins.uid, logins.lowered, logins.warning) == ("nobody", nobody.pw_uid, True, "")
    assert logins.spec(Path("/x"))["users"] == {
        "runner": {
            "name": "nobody",
            "home": "/x/home/runner",
            "uid": nobody.pw_uid,
            "gid": nobody.pw_gid,
            "lowered": True,
        }
    }


PLAIN = """#!/bin/sh
echo "I am $(id -un), at home in ${HOME#$RUNNERKIT_ROOT}"
touch "$HOME/mine" || echo no home
cat "$RUNNERKIT_ROOT/run/runnerkit/agent/begun.json" 2>/dev/null || echo the agent keeps its notes
exit 1
"""


@needs_root
def test_a_lowered_job_is_another_user() -> None:
    """On the machine itself: its runner is nobody, has a home, and cannot read what is the agent's."""

    def install(folder: Path, _: object) -> None:
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/Runner.Listener").write_text(PLAIN)
        (folder / "bin/Runner.Listener").chmod(0o755)

    with open_yard(runner=install, interpreter="/bin/true") as yard:
        console = yard.launch().gone()
    assert "I am nobody, at home in /home/runner" in console
    assert "no home" not in console
    assert "the agent keeps its notes" in console
    assert "the job runs as root" not in console


@needs_root
@pytest.mark.parametrize("python", ["/bin/false", "/nowhere/python"])
def test_root_says_why_the_job_is_not_lowered(tmp_path: Path, python: str) -> None:
    """A user that cannot run the interpreter could run no job either."""
    logins = users.choose(tmp_path, python)
    assert (logins.runner, logins.uid, logins.lowered) == (pwd.getpwuid(0).pw_name, 0, False)
    assert logins.warning.startswith("the job runs as root: nobody cannot")
    assert python in logins.warning


@pytest.mark.skipif(os.geteuid() == 0, reason="root may become another user")
def test_anybody_else_stays_who_they_are(tmp_path: Path) -> None:
    """Everything runs as the present user."""
    logins = users.choose(tmp_path)
    assert (logins.uid, logins.lowered, logins.warning) == (os.geteuid(), False, "")
