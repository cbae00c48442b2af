"""The gate: what holds, what does not, where its rules are from, and how the command ends."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.errors import ConfigError, GateFailed
from runnerkit.job.gatefile import Rules, parsed_gate
from runnerkit.job.gating import Gate, Rule
from runnerkit.job.values import Change, Directions
from runnerkit.job.verdicts import summary
from runnerkit.job.versions import Base, ground
from tests.job.workshop import Workshop, commit, git

if TYPE_CHECKING:
    from pathlib import Path

GATE = '[metrics.accuracy]\nmin = 0.9\n[metrics.test.rmse]\nmax_regression = "5%"\n'


def judged(said: dict[str, Any], old: object, new: object, *, name: str = "accuracy", base: str = "main") -> Any:  # noqa: ANN401 - a verdict
    gate = Gate((Rule.of(name, said),))
    return gate.judge([Change("m.json", name, old, new)], base=base).verdicts[0]


class TestARule:
    """One metric, now and at the base."""

    @pytest.mark.parametrize(
        ("said", "old", "new", "holds"),
        [
            ({"min": 0.9}, None, 0.9, True),
            ({"min": 0.9}, 0.5, 0.89, False),
            ({"max": 3}, None, 3, True),
            ({"max": 3}, None, 3.1, False),
            ({"max_regression": 0.01}, 0.9, 0.89, True),
            ({"max_regression": 0.01}, 0.9, 0.88, False),
            ({"max_regression": "10%"}, 200, 180, True),
            ({"max_regression": "10%"}, 200, 179, False),
            ({"max_regression": "0%"}, 0.9, 0.9, True),
            ({"max_regression": 0, "direction": "down"}, 0.5, 0.6, False),
            ({"max_regression": 0, "direction": "down"}, 0.6, 0.5, True),
            ({"max_regression": "10%"}, -200, -221, False),
            ({"min": 0.0}, None, -1, False),
            ({}, None, 1.0, True),
        ],
    )
    def test_holds_or_does_not(self, said: dict[str, Any], old: object, new: object, holds: bool) -> None:
        """Bounds include their ends; worse is told by the direction; a percentage is of the base's value."""
        assert holds == judged(said, old, new).holds

    @pytest.mark.parametrize("new", [None, math.nan, math.inf, -math.inf, "0.95", True, [1.0]])
    def test_never_holds_for_what_is_no_finite_number(self, new: object) -> None:
        """Missing, NaN, infinite, text: none of them is a good metric, whatever the rule asks for."""
        assert [judged(said, 0.9, new).holds for said in ({}, {"min": -1e9}, {"max_regression": 1e9})] == [False] * 3

    def test_of_a_metric_that_nobody_wrote_does_not_hold(self) -> None:
        """A typing error in the gate, or a stage that forgot to measure, must not pass."""
        found = Gate((Rule("accuracy"),)).judge([], base="main")
        assert (found.holds, found.verdicts[0].why) == (False, "no metric of that name exists")

    def test_knows_the_direction_by_the_name_and_asks_where_it_cannot(self) -> None:
        """Less loss is better; of a count nobody can say."""
        assert not judged({"max_regression": 0.1}, 1.0, 1.2, name="val.loss").holds
        assert judged({"max_regression": 0.1}, 1.0, 0.2, name="val.loss").holds
        assert "give a direction" in judged({"max_regression": 0.1}, 1.0, 1.0, name="rows").why

    def test_of_a_metric_that_is_new_passes_unless_it_says_otherwise(self) -> None:
        """Otherwise no metric could ever be added; that nothing could be compared is told."""
        passed, failed = (judged({"max_regression": 1, "new": new}, None, 1.0) for new in (True, False))
        assert (passed.holds, failed.holds) == (True, False)
        assert "the base has no such number" in passed.why

    def test_does_not_hold_against_a_base_that_could_not_be_read(self) -> None:
        """A checkout that cannot fetch its base must not open the gate."""
        assert not judged({"max_regression": 1}, None, 1.0, base="").holds
        assert judged({"min": 1}, None, 1.0, base="").holds

    def test_can_name_a_file_or_many_metrics(self) -> None:
        """Two files may have the same names, and a township may be one of many."""
        changes = [Change("a.json", "cod.north", None, 10.0), Change("b.json", "cod.south", None, 20.0)]
        found = Gate((Rule("cod.*", max=15), Rule("b.json:cod.south", min=1))).judge(changes, base="main")
        assert [(each.metric, each.holds) for each in found.verdicts] == [
            ("cod.north", True), ("cod.south", False), ("cod.south", True),
        ]  # fmt: skip
        assert found.of(changes[1]) == found.verdicts[1]

    def test_reports_every_fault_and_fails_once(self) -> None:
        """Whoever mends the first one should not learn of the second by another run of hours."""
        gate = Gate((Rule("a", min=1), Rule("b", max=1), Rule("c")), "gate.toml")
        found = gate.judge([Change("m", "a", None, 0), Change("m", "b", None, 2), Change("m", "c", 1, 1)], base="x")
        with pytest.raises(GateFailed) as raised:
            found.enforce()
        assert "2 of 3 metrics: a: 0 is less than 1; b: 2 is more than 1" in raised.value.message
        assert (raised.value.exit_code, found.holds) == (13, False)
        assert summary(found, 10_000).count("❌") == 3
        json.dumps(judged({}, math.inf, math.nan).as_dict(), allow_nan=False)


class TestAGateFile:
    """TOML, read strictly: a rule that is not understood must not be a rule that is not there."""

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("x", "is no TOML"),
            ("", "declares no metric"),
            ("[metric.a]\nmin = 1", "unknown table 'metric'"),
            ("[metrics.a]\nminimum = 1", "unknown key 'minimum'"),
            ("[metrics]\na = 1", "is not a table"),
            ("[metrics.a]\nmin = 'x'", "cannot be used"),
            ("[metrics.a]\nmin = nan", "is not a number"),
            ("[metrics.a]\nmin = true", "is not a number"),
            ("[metrics.a]\nmin = 2\nmax = 1", "nothing is at least 2 and at most 1"),
            ("[metrics.a]\nmax_regression = -1", "not negative"),
            ("[metrics.a]\nmax_regression = 1\ndirection = 'left'", "neither 'up' nor 'down'"),
            ("[metrics.a]\nmin = 1\ndirection = 'up'", "only together with max_regression"),
            ("[metrics.a]\nmax_regression = 1\nnew = 1", "neither true nor false"),
        ],
    )
    def test_that_cannot_be_used_says_why(self, text: str, words: str) -> None:
        """File, metric, key and reason."""
        with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
            parsed_gate(text, "gate.toml")

    def test_names_metrics_with_dots_both_ways(self) -> None:
        """In TOML a dot nests; a table may hold rules of its own and of names below it."""
        gate = parsed_gate('[metrics.test.acc]\nmin = 1\n[metrics."test.f1"]\nmin = 2\n[metrics.test]\nmax = 3', "g")
        assert {each.metric: (each.min, each.max) for each in gate.rules} == {
            "test.acc": (1, None), "test.f1": (2, None), "test": (None, 3),
        }  # fmt: skip

    def test_is_overruled_by_the_command_line_part_by_part(self) -> None:
        """What the command line does not say stays."""
        gate = parsed_gate("[metrics.a]\nmin = 1\nmax = 5", "g").with_rules([Rule("a", min=2.0), Rule("b", max=0.0)])
        assert gate.rules == (Rule("a", min=2.0, max=5.0), Rule("b", max=0.0))


class TestWhereTheRulesAreFrom:
    """A pull request can change every file of its own checkout."""

    @pytest.fixture
    def here(self, tmp_path: Path) -> Path:
        """A checkout whose gate is weaker than main's."""
        here = Workshop(tmp_path).origin(
            files={"gate.toml": "[metrics.a]\nmin = 0.9\n", "dvc.yaml": "metrics: [m.json]\n", "m.json": '{"a": 0.8}'}
        )
        git(here, "checkout", "-q", "-b", "change")
        (here / "gate.toml").write_text("[metrics.a]\nmin = 0.1\n", encoding="utf-8")
        commit(here)
        return here

    @pytest.mark.parametrize(
        ("source", "pull_request", "least"),
        [("auto", True, 0.9), ("auto", False, 0.1), ("checkout", True, 0.1), ("base", False, 0.9)],
    )
    def test_on_a_pull_request_it_is_the_base(self, here: Path, source: str, pull_request: bool, least: float) -> None:
        """Unless somebody says otherwise; a difference is told."""
        project = ground(here)
        base = Base(project, git(here, "rev-parse", "main"))
        gate, notes = Rules(source=source).read(project, base, pull_request=pull_request)
        assert [rule.min for rule in gate.rules] == [least]
        assert bool(notes) == (least == 0.9)

    @pytest.mark.slow
    def test_the_command_tells_all_and_ends_with_13(self, here: Path, tmp_path: Path) -> None:
        """On the output, for programs, and in the step summary; without a rule, or without a base, it is bad usage."""
        workshop, out = Workshop(tmp_path), tmp_path / "summary.md"
        environ = {"GITHUB_STEP_SUMMARY": str(out), "GITHUB_REF": "refs/pull/3/merge", "GITHUB_BASE_REF": "main"}
        lines = [
            ("gate", "--base", "main"),
            ("gate", "--json", "--base", "main", "--min", "a=0.1", "--from", "checkout", "--max-regression", "a=50%"),
            ("gate", "--file", "other.toml", "--base", "main"),
            ("gate",),
        ]
        started = [workshop.command(here, *words, **environ) for words in lines]
        told = [(each.communicate(timeout=60)[0], each.returncode) for each in started]
        assert [code for _, code in told] == [13, 0, 2, 2], told
        assert "FAIL m.json: a (≥ 0.9) - 0.8 is less than 0.9" in told[0][0]
        assert "what counts is the base's" in told[0][0]
        assert json.loads(told[1][0])["verdicts"][0]["rule"] == "≥ 0.1, at most 50% worse"
        assert "there is no other.toml" in told[2][0]
        assert "the base could not be read, and gate.toml is read there" in told[3][0]
        assert "❌ The gate does not hold, 1 of 1" in out.read_text(encoding="utf-8")


def test_a_name_begins_no_command_to_the_runner() -> None:
    """What stands at the beginning of a line of the log would be one, and a pull request names the metrics."""
    gate, change = Gate((Rule("*", min=0.9),)), Change("m", "a\n::stop-commands::x", None, 0.1)
    assert "\n" not in gate.judge([change], base="").sentence()


def test_directions_of_the_command_line_reach_the_gate() -> None:
    """`--down score` turns what counts as a regression."""
    gate, change = Gate((Rule.of("score", {"max_regression": 0}),)), Change("m", "score", 1.0, 0.5)
    assert not gate.judge([change], base="main").holds
    assert gate.judge([change], base="main", directions=Directions(down=["score"])).holds
