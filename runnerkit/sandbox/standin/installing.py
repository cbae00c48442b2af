"""Writes a runner's root."""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import shlex
import shutil
import stat
import sys
import sysconfig
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from runnerkit.sandbox.standin.program.containing import clear_away

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "2.336.0"
HERE = Path(__file__).parent
PROGRAM = "standin"
ENGINE = "RUNNERKIT_SANDBOX_DOCKER_HOST"
OLDEST = 11
NEWEST = 15
LONGEST = 120
# Seconds for which an engine may be silent while machines wait for it.
TIDYING = 20.0

PROGRAMS = {
    "Runner.Listener": "from standin.listener import main; code = main(root, sys.argv[1:])",
    "Runner.Worker": "from standin.worker import main; code = main(root)",
    "Runner.Substitute": "from standin.substitutes.main import main; code = main(sys.argv[1])",
    "Runner.Step": "from standin.step import main; code = main(sys.argv[1:])",
}
START = """{first}
import os, sys
from pathlib import Path
root = Path(os.path.realpath(__file__)).parents[{up}]
sys.path.insert(0, str(root / "bin"))
{body}
sys.stdout.flush()
os._exit(code)
"""
SHIM = "from standin.step import main; code = main([{name!r}, *sys.argv[1:]])"

RUN_HELPER = """#!/bin/bash
# Starts the listener and turns its exit code into what run.sh does next.
if [ "$(id -u)" -eq 0 ] && [ -z "$RUNNER_ALLOW_RUNASROOT" ]; then
    echo "Must not run interactively with sudo"
    exit 1
fi
"$(dirname "$0")/bin/Runner.Listener" run "$@"
code=$?
case $code in
    0) echo "Runner listener exit with 0 return code, stop the service, no retry needed."; exit 0 ;;
    1) echo "Runner listener exit with terminated error, stop the service, no retry needed."; exit 0 ;;
    2) echo "Runner listener exit with retryable error, re-launch runner in 5 seconds."; sleep 5; exit 2 ;;
    3 | 4) echo "Runner listener exit because of updating, re-launch runner."; exit 2 ;;
    5) echo "Runner listener exit with Session Conflict error, stop the service, no retry needed."; exit 0 ;;
    7) if [ "$ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE" = 1 ]; then exit 7; fi; exit 0 ;;
    *) echo "Exiting with unknown error code: $code"; exit 0 ;;
esac
"""
RUN = """#!/bin/bash
# Starts the listener again and again as long as it asks for that.
while :; do
    "$(dirname "$0")/run-helper.sh" "$@"
    code=$?
    if [ $code -ne 2 ]; then
        exit $code
    fi
done
"""
CONFIG = """#!/bin/bash
if [ "$(id -u)" -eq 0 ] && [ -z "$RUNNER_ALLOW_RUNASROOT" ]; then
    echo "Must not run with sudo"
    exit 1
fi
if [ "$1" = remove ]; then
    exec "$(dirname "$0")/bin/Runner.Listener" "$@"
fi
exec "$(dirname "$0")/bin/Runner.Listener" configure "$@"
"""
ENV = """#!/bin/bash
# Writes the variables that matter to a runner into its .env, as the real one does before it is configured.
for name in LANG JAVA_HOME ANT_HOME M2_HOME ANDROID_HOME GRADLE_HOME NVM_BIN NVM_PATH LD_LIBRARY_PATH PERL5LIB; do
    if [ -n "${!name}" ]; then
        echo "$name=${!name}" >>"$(dirname "$0")/.env"
    fi
done
"""
README = """This is not GitHub's runner.

It is runnerkit's stand-in for it: the same file layout, command line, signals, exit codes and hooks, so that what
starts and watches a runner can be tried without GitHub. It speaks to runnerkit's local GitHub only. The steps of a job
are run by act. Remote actions are replaced by the substitutes in externals/actions; nothing is downloaded.
"""


def install(
    folder: Path, environ: Mapping[str, str] | None = None, *, python: Path | None = None, act: Path | None = None
) -> None:
    """Write the root of a runner.

    Args:
        folder: The root; it is made if need be. A file of the same name is replaced, registrations stay.
        environ: What ``.env`` holds: variables of the listener, and of the steps.
        python: The interpreter that runs it; one that every user can reach is looked for otherwise.
        act: The act program; the one of this environment otherwise.

    Raises:
        FileNotFoundError: act is not installed.
        ValueError: a variable cannot be written into ``.env``.
    """
    python = python or _interpreter()
    for name in ("bin/shims", "externals", "_diag"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _write_program(folder / "bin")
    _copy(HERE / "actions", folder / "externals" / "actions")
    for name, body in PROGRAMS.items():
        _script(folder / "bin" / name, START.format(first=_first(python), body=body, up=1))
    for name in ("bash", "sh", "python", "python3"):
        _script(folder / "bin" / "shims" / name, START.format(first=_first(python), body=SHIM.format(name=name), up=2))
    _link(folder / "bin" / "shims" / "Runner.Step", "../Runner.Step")
    for name, text in {"run.sh": RUN, "run-helper.sh": RUN_HELPER, "config.sh": CONFIG, "env.sh": ENV}.items():
        _script(folder / name, text)
    (folder / "README").write_text(README)
    (folder / ".env").write_text(_lines(environ or {}))
    told = {"version": VERSION, "act": str(_act(folder, act)), "engine": _engine()}
    (folder / "bin" / "standin.json").write_text(json.dumps(told))


@cache
def _program() -> Mapping[str, bytes]:
    """The program's files by their paths, compiled once for all roots: a runner's user may not write there."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PROGRAM
        _copy(HERE / "program", copy)
        # Not by the source's time: that differs from root to root.
        unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(copy, quiet=2, stripdir=folder, invalidation_mode=unchecked)
        return {str(path.relative_to(folder)): path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def _write_program(folder: Path) -> None:
    for name, data in _program().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def _first(python: Path) -> str:
    """A script's first line; Linux takes neither a space nor much more than a hundred characters there."""
    if len(str(python)) <= LONGEST and not any(map(str.isspace, str(python))):
        return f"#!{python} -IS"
    # To a shell a command that replaces it, to Python a text.
    return f"""#!/bin/sh\n'''exec' {shlex.quote(str(python))} -IS "$0" "$@"\n' '''"""


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _lines(environ: Mapping[str, str]) -> str:
    for name, value in environ.items():
        if "\n" in value or "=" in name or not name:
            raise ValueError(f"The variable {name!r} cannot be written into .env: it would not fit one line.")
    return "".join(f"{name}={value}\n" for name, value in environ.items())


def _interpreter() -> Path:
    own = Path(sys.executable)
    system = [Path(f"/usr/bin/python3.{minor}") for minor in range(OLDEST, NEWEST)]
    return next((each for each in [own, *system] if each.exists() and _open_to_all(each)), own)


def _open_to_all(path: Path) -> bool:
    real = path.resolve()
    passable = all(each.stat().st_mode & stat.S_IXOTH for each in [*real.parents, *path.parents])
    return passable and bool(real.stat().st_mode & stat.S_IXOTH)


def tidy_up() -> None:
    """Remove the containers and volumes of runners that were killed; without an engine there is nothing to do.

    For whoever pulls a machine's plug: the container's programs die with the machine, but podman keeps a dead container
    for minutes when a program was running in it. What does not bear our label is not touched.
    """
    if engine := _engine():
        clear_away(engine, patience=TIDYING)


def _engine() -> str:
    """The container engine that jobs may use: named for the sandbox, or for every program of Docker's kind."""
    return os.environ.get(ENGINE, os.environ.get("DOCKER_HOST", ""))


def _act(folder: Path, given: Path | None) -> Path:
    near = Path(sysconfig.get_path("scripts")) / "act"
    found = given or (near if near.exists() else None) or shutil.which("act")
    if found is None:
        raise FileNotFoundError("act is not installed; it comes with `pip install runnerkit[sandbox]`.")
    if _open_to_all(Path(found)):
        return Path(found).resolve()
    # Not a link: whoever gives the folder to another user must not change the original.
    return Path(shutil.copy2(found, folder / "bin" / "act"))
