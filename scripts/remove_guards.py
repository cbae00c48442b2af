"""Remove the guard of each law in turn and see that a named test then fails.

Usage: ``python scripts/remove_guards.py [--law N] [--json]``. The package and its tests are copied to a temporary
folder, where one passage at a time is replaced and only the named test is run. The exit code is 1 when a passage is not
found exactly once, when a test is missing or passes all the same, or when a test fails without any change.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from multiprocessing import connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from guards_table import GUARDS, Guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
COPIED = ("runnerkit", "tests", "docs", "scripts", "pyproject.toml")
TIMEOUT = 60
WORKERS = 2
# Pytest's exit codes, and ours.
PASSED, FAILED = 0, 1
BROKEN, ELSEWHERE, NOT_THERE, NO_END = 96, 97, 98, 99
# What tests import besides our own code: loaded once, and there in every process that is forked from then on.
LOADED_ONCE = [
    *(
        "pytest",
        "hypothesis",
        "hypothesis.stateful",
        "pydantic",
        "typer.testing",
        "structlog",
        "jsonschema",
        "boto3",
        "github",
    ),
    *(
        "moto.server",
        "moto.ec2.responses",
        "moto.moto_server.werkzeug_app",
        "moto.sts.responses",
        "openapi_core",
        "werkzeug.serving",
    ),
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What removing a guard showed; ``problem`` is empty when the named test noticed."""

    law: int
    what: str
    problem: str = ""
    output: str = ""
    seconds: float = 0.0


def main(words: Sequence[str], table: Sequence[Guard] = GUARDS) -> int:
    """Check the guards of a table, print a line for each, and give the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--law", type=int, help="only this law")
    parser.add_argument("--json", action="store_true", help="one JSON document a line")
    given = parser.parse_args(words)
    failed = False
    for verdict in verdicts([guard for guard in table if given.law in {None, guard.law}]):
        failed = failed or bool(verdict.problem)
        told = f"law {verdict.law}: {verdict.what}: {verdict.problem or 'noticed'} ({verdict.seconds:.1f} s)"
        print(json.dumps(asdict(verdict)) if given.json else told, flush=True)
        if verdict.problem and not given.json:
            print(verdict.output)
    return 1 if failed else 0


def verdicts(guards: Sequence[Guard]) -> Iterator[Verdict]:
    """One for each guard, in order; before them one for the tests as they are, should they fail by themselves."""
    with tempfile.TemporaryDirectory(prefix="guards-") as folder, ThreadPoolExecutor(WORKERS) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            copies.put(copied(Path(folder) / str(number)))
        tests = sorted({guard.test for guard in guards})
        unchanged = pool.submit(_in_a_copy, copies, None, tests)
        tried = [pool.submit(_in_a_copy, copies, guard, [guard.test]) for guard in guards]
        code, output, seconds = unchanged.result()
        if code != PASSED:
            yield Verdict(0, "nothing removed", f"the named tests end with {code} as they are", output, seconds)
        for guard, outcome in zip(guards, tried, strict=True):
            code, output, seconds = outcome.result()
            yield Verdict(guard.law, guard.what, _problem(guard, code), output, seconds)


def copied(folder: Path) -> Path:
    """A copy of what the tests need, without anything compiled."""
    folder.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "guards"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


def _in_a_copy(copies: SimpleQueue[Path], guard: Guard | None, tests: Sequence[str]) -> tuple[int, str, float]:
    """Run tests in a copy that nobody else uses meanwhile, with or without a guard: exit code, output, seconds."""
    copy, began = copies.get(), time.monotonic()
    try:
        code, output = run(copy, tests) if guard is None else _without(guard, copy, tests)
    finally:
        copies.put(copy)
    return code, output, round(time.monotonic() - began, 1)


def _without(guard: Guard, copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    file = copy / guard.file
    original = file.read_text(encoding="utf-8") if file.exists() else ""
    if original.count(guard.text) != 1:
        return NOT_THERE, f"{guard.file} holds the passage {original.count(guard.text)} times:\n{guard.text}"
    _write(file, original.replace(guard.text, guard.without))
    try:
        code, output = run(copy, tests)
        # What is broken may come to no end by chance; that it never does is another thing.
        return run(copy, tests) if code == NO_END else (code, output)
    finally:
        _write(file, original)


def _write(file: Path, text: str) -> None:
    """Write a file and forget its compiled form, which Python would take for current within the same second."""
    file.write_text(text, encoding="utf-8")
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        compiled.unlink()


def run(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a process of their own, within bounds: pytest's exit code and what it printed."""
    report, ended = copy / "report.txt", copy / "ended.txt"
    for left in (report, ended):
        left.unlink(missing_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED_ONCE)
    process = context.Process(target=_tested, args=(str(copy), list(tests), str(report), str(ended), TIMEOUT * 0.8))
    process.start()
    if not connection.wait([process.sentinel], TIMEOUT):
        process.kill()
        connection.wait([process.sentinel])
        return NO_END, f"no end within {TIMEOUT} s\n{_read(report)}"
    # Not the process's own exit code: one that breaks before any test ends with what pytest says of a failed test.
    return int(_read(ended) or BROKEN), _read(report)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _tested(copy: str, tests: list[str], report: str, ended: str, patience: float) -> None:
    os.chdir(copy)
    sys.path.insert(0, copy)
    os.environ["PYTHONPATH"] = copy
    import pytest

    # Whether it fails is all that counts: explaining an assertion would take longer than the test.
    words = ["-x", "-q", "--tb=short", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
    # A folder of its own: where several pytests number theirs side by side, one now and then stumbles over another.
    words.append(f"--basetemp={copy}/temporary")
    with Path(report).open("w", encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
        # Where every thread stands, for the one who wonders why a test does not end.
        faulthandler.dump_traceback_later(patience, file=file)
        code = int(pytest.main([*words, *tests]))
    ours = sys.modules.get("runnerkit")
    inside = ours is not None and str(ours.__file__).startswith(copy)
    Path(ended).write_text(str(code if inside else ELSEWHERE), encoding="utf-8")
    os._exit(0)


def _problem(guard: Guard, code: int) -> str:
    if code == FAILED:
        return ""
    if code == PASSED:
        return f"{guard.test} passes without it"
    known = {NOT_THERE: f"the passage is not in {guard.file} exactly once", NO_END: f"{guard.test} did not end"}
    return known.get(code, f"{guard.test} did not run (pytest ended with {code})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
