"""Run the benchmarks, print their figures, and fail when one misses its limit.

Usage: ``python benchmarks/run.py [--only NAME]... [--json] [--write]``.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Figure

# The quick ones first; each name is a file beside this one.
BENCHMARKS = (
    "plan_size",
    "bursts",
    "passes",
    "crowds",
    "help",
    "dry_run",
    "wire",
    "report",
    "dvc_run",
    "webhooks",
    "wait",
    "machine",
)


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a limit was missed."""
    asked = _arguments(words)
    where = page.machine()
    figures: list[Figure] = []
    for name in asked.only or BENCHMARKS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        figures += import_module(name).measure()
    if asked.json:
        print(json.dumps({"machine": where, "figures": [figure.as_dict() for figure in figures]}, indent=2))
    else:
        print(page.table(figures))
    if asked.write:
        text = page.replaced(page.PAGE.read_text(encoding="utf-8"), page.block(figures, where))
        page.PAGE.write_text(text, encoding="utf-8")
    return 0 if all(figure.ok for figure in figures) else 1


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure runnerkit; exit code 1 means that a limit was missed.")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this one only; may be given several times")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    asked = parser.parse_args(words)
    if asked.write and asked.only:
        parser.error("--write needs the figures of every benchmark, so it does not go with --only")
    return asked


if __name__ == "__main__":
    sys.exit(main())
