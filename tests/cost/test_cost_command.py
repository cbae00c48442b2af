"""``cost`` as people call it: over a journal in a file, with EC2 and without."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from runnerkit.cli.commands import app
from runnerkit.sandbox.together import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A sandbox whose machines do nothing but live."""
    with Sandbox(boot=0.1, machines="hollow") as made:
        yield made


@pytest.fixture
def outside(world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The variables of the sandbox, and an empty journal."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    journal = tmp_path / "journal.jsonl"
    monkeypatch.setenv("RUNNERKIT_JOURNAL__WHERE", str(journal))
    monkeypatch.chdir(tmp_path)
    return journal


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["cost", *words], catch_exceptions=False)


def put(journal: Path, minutes: float, kind: str, **facts: Any) -> None:  # noqa: ANN401 - whatever the fields hold
    at = datetime.now(tz=UTC) - timedelta(minutes=minutes)
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": kind, "at": at.isoformat(), "facts": facts}) + "\n")


def test_a_machine_that_runs_and_one_that_is_over_are_on_one_bill(outside: Path, world: Sandbox) -> None:
    """Launched by the real command on the local EC2, with its price; budgets and the day of the prices are there."""
    launched = CliRunner().invoke(app, ["launch", "--runs-on", "runnerkit=7/gpu=t4", "--json"], catch_exceptions=False)
    assert 0 == launched.exit_code, launched.output
    now = datetime.now(tz=UTC)
    span = {"since": (now - timedelta(minutes=90)).isoformat(), "until": (now - timedelta(minutes=30)).isoformat()}
    facts = {
        "runner": "rk-5-1",
        "instance": "i-05",
        "repo": "=acme/odd",
        "market": "spot",
        "price": 0.5,
        "on_demand": 2.0,
        "run": 5,
    }
    put(outside, 90, "instance-launched", **facts)
    put(outside, 29, "instance-ended", **facts | span)
    (outside.parent / "runnerkit.toml").write_text("[policy]\ndollars_per_day = 0.4\n", encoding="utf-8")
    told = json.loads(run("--json", "--by", "repo").stdout)
    assert ({"=acme/odd", world.repository}, 1) == ({line["key"] for line in told["lines"]}, told["live"])
    assert 0.5 < told["total"]["dollars"] < 0.6
    assert 1.5 <= told["total"]["saved"] < 1.7
    assert told["budgets"][0]["dollars_per_day"] == 0.4
    assert datetime.fromisoformat(told["prices"]["table_date"]).year >= 2025
    shown = run("--by", "run", "--since", "2h").stdout
    for text in (
        "2 machines, 1 running now",
        "=acme/odd 5",
        "DOLLARS",
        "launch to online",
        "of 0.40 dollars spent today",
    ):
        assert text in shown, shown
    rows = list(csv.DictReader(io.StringIO(run("--csv", "--by", "repo").stdout)))
    assert ["'=acme/odd", "1.5"] == [rows[0]["repo"], rows[0]["saved"]]
    assert "boot_dollars" in rows[0]
    only = json.loads(run("--json", "--repo", world.repository).stdout)
    assert (1, 1) == (len(only["lines"]), only["total"]["machines"])


def test_without_ec2_the_journal_alone_is_used_and_that_is_said(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that may still run counts to its last sign."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    put(outside, 50, "instance-launched", runner="rk-5-1", instance="i-05", repo="acme/x", market="spot", price=0.6)
    done = run()
    assert 0 == done.exit_code, done.output
    assert "EC2 cannot be read" in done.stderr
    assert "when 1 of 1 machines ended" in done.stdout
    assert ">= 0.00" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "moon"], "run, job, repo, day, spec"),
        (["--since", "yesterday"], "such as 24h"),
        (["--since", "99999999d"], "such as 24h"),
        (["--since", "1d", "--until", "2d"], "nothing lies between"),
        (["--json", "--csv"], "exclude each other"),
    ],
)
def test_what_cannot_be_meant_is_refused(outside: Path, words: list[str], message: str) -> None:
    """Before anything is read; the error says what would do."""
    assert not outside.exists()
    done = run(*words)
    assert 2 == done.exit_code
    assert message in done.output


def test_nothing_noted_is_no_error(outside: Path) -> None:
    """An empty journal is told of, not a bill of nothing."""
    assert not outside.exists()
    told = json.loads(run("--json", "--since", "1h", "--repo", "nobody/nothing").stdout)
    assert ([], 0) == (told["lines"], told["total"]["machines"])
    assert "tells of no machine" in told["unknown"][0]
    ever = json.loads(run("--json", "--since", "0001-01-01", "--repo", "nobody/nothing").stdout)
    assert ("0001-01-01T00:00:00+00:00", []) == (ever["since"], ever["lines"])
