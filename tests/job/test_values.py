"""Metrics, plots and Markdown: values compared, drawn, escaped and cut to what GitHub takes."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerkit.job.document import Section, cut, escaped, fenced, fitted, table
from runnerkit.job.plots import drawn
from runnerkit.job.values import Change, Directions, compared, flat, shown_delta
from runnerkit.job.versions import Declared, Plot


class TestMetrics:
    """Two versions of the same files."""

    def test_are_compared_by_dotted_names(self) -> None:
        """Nested values, new ones, and ones that are gone."""
        changes = compared({"m.json": {"a": {"b": 1}, "old": 2}}, {"m.json": {"a": {"b": 1.5}, "new": 3}})
        assert [(each.name, each.old, each.new) for each in changes] == [
            ("a.b", 1, 1.5),
            ("new", None, 3),
            ("old", 2, None),
        ]
        assert changes[0].delta == 0.5

    def test_in_lists_are_told_by_their_index(self) -> None:
        """Plain lists stay whole."""
        assert flat({"a": [{"x": 1}, {"x": 2}], "b": [1, 2]}) == {"a.0.x": 1, "a.1.x": 2, "b": [1, 2]}

    @pytest.mark.parametrize(
        ("name", "old", "new", "verdict"),
        [
            ("test.accuracy", 0.8, 0.9, "better"),
            ("test.accuracy", 0.9, 0.8, "worse"),
            ("test.log_loss", 0.3, 0.2, "better"),
            ("val_loss", 0.2, 0.3, "worse"),
            ("RMSE", 2.0, 1.0, "better"),
            ("mean_absolute_error", 2, 3, "worse"),
            ("glossary_score", 2, 3, "better"),
            ("rows", 100, 200, ""),
            ("accuracy", 0.8, 0.8, ""),
            ("accuracy", None, 0.8, ""),
            ("accuracy", 0.8, None, "gone"),
            ("accuracy", 0.8, math.nan, "not a number"),
            ("accuracy", 0.8, math.inf, "not a number"),
            ("accuracy", 0.8, "high", ""),
            ("passed", True, False, ""),
        ],
    )
    def test_get_better_or_worse_by_their_names(self, name: str, old: object, new: object, verdict: str) -> None:
        """Less loss is better, more accuracy too; a number of rows is neither."""
        assert Directions().verdict(Change("m.json", name, old, new)) == verdict

    def test_get_better_the_way_somebody_says(self) -> None:
        """By the whole name or its last part, before any guess."""
        directions = Directions(up=("time_saved",), down=("test.rows",))
        assert directions.of("a.time_saved") == 1
        assert directions.of("test.rows") == -1

    def test_differences_carry_their_sign(self) -> None:
        """And none is shown where there is nothing to subtract."""
        told = [
            shown_delta(Change("", "", old, new)) for old, new in [(1, 2), (2, 1.5), (1, 1), (None, 1), (1, math.nan)]
        ]
        assert told == ["▲ +1", "▼ -0.5", "=", "", ""]

    def test_files_are_found_in_every_way_dvc_lets_them_be_named(self) -> None:
        """At the top, in stages, with options, in other folders; what only DVC can fill in is left out."""
        found = Declared.of(
            {
                "metrics": ["top.json"],
                "plots": [{"curve": {"x": "step", "y": {"c.csv": "loss"}}}, "d.csv"],
                "stages": {
                    "a": {"wdir": "w", "metrics": [{"m.json": {"cache": False}}], "params": ["x", {"p.toml": ["y"]}]},
                    "c": {"wdir": "w", "metrics": ["../top.json", "./n.json"], "plots": ["../d.csv"]},
                    "b": {"foreach": [1], "do": {"metrics": ["${item}.json"], "plots": [{"e.csv": {"y": "v"}}]}},
                },
            }
        )
        assert found.metrics == ("top.json", "w/m.json", "w/n.json")
        assert found.params == ("params.yaml", "w/p.toml")
        assert found.plots == (Plot("c.csv", "step", "loss", "", "curve"), Plot("d.csv"), Plot("e.csv", "", "v"))

    def test_files_whose_names_are_templates_are_found_in_the_lock(self) -> None:
        """DVC has filled them in there; what is no output, such as a file that was never written, is left out."""
        project = {
            "stages": {
                "each": {
                    "matrix": {"city": ["a", "b"]},
                    "metrics": [{"m/${item.city}.json": {"cache": False}}, "${gone}.json"],
                    "plots": [{"m/${item.city}.csv": {"y": "v"}}],
                }
            }
        }
        outs = [{"path": "m/a.json"}, {"path": "m/a.csv"}, {"path": "model"}]
        lock = {"stages": {"each@a": {"outs": outs}, "each@b": {"outs": [{"path": "m/b.json"}]}}}
        found = Declared.of(project, lock)
        assert (found.metrics, found.plots) == (("m/a.json", "m/b.json"), (Plot("m/a.csv", "", "v"),))
        project["stages"]["each"]["wdir"] = "w"
        assert Declared.of(project, lock).metrics == ("w/m/a.json", "w/m/b.json")

    def test_of_any_size_break_nothing(self) -> None:
        """JSON knows no largest number; a float does."""
        huge = Change("m.json", "n_accuracy", 1, 10**400)
        assert (huge.delta, Directions().verdict(huge)) == (None, "not a number")

    @pytest.mark.parametrize(
        "said", [None, [], "x", {"stages": []}, {"stages": {"a": None}, "plots": 3, "metrics": {"a": None}}]
    )
    def test_a_strange_dvc_yaml_names_nothing_and_breaks_nothing(self, said: object) -> None:
        """The report must come even when the pipeline could not."""
        assert Declared.of(said).plots == ()


class TestPlots:
    """Data that the pipeline declares as plots."""

    def test_are_drawn_as_a_line_of_blocks(self) -> None:
        """From the first value to the last, between the extremes."""
        line = drawn(Plot("t.csv", "epoch", "loss"), "epoch,loss\n1,4.0\n2,2.0\n3,1.0\n")
        assert "loss" in line
        assert "█▃▁  4 → 1  (min 1, max 4)" in line

    def test_of_many_points_fit_a_line(self) -> None:
        """Neighbours share a block."""
        rows = json.dumps([{"y": value} for value in range(10_000)])
        line = drawn(Plot("t.json", y="y"), rows)
        assert len(line) < 200
        assert "0 → 9999  (min 0, max 9999)" in line

    def test_of_confusions_are_tables(self) -> None:
        """Counts of actual against predicted, zeros as dots, numbers in their order."""
        text = drawn(Plot("c.csv", "actual", "predicted", "confusion"), "actual,predicted\n10,10\n9,9\n9,10\n")
        rows = [line.split() for line in text.splitlines()[1:4]]
        assert rows == [["9", "10", "←", "predicted"], ["9", "1", "1"], ["10", "·", "1"]]

    def test_cannot_leave_their_frame_by_a_name(self) -> None:
        """Columns and classes are named by whoever wrote the data."""
        bad = "a\n```\n@acme/team <img src=x>"
        rows = json.dumps([{bad: 1, "actual": bad, "predicted": bad}, {bad: 2, "actual": bad, "predicted": bad}])
        for plot in (Plot("t.json", y=bad), Plot("c.json", "actual", "predicted", "confusion")):
            lines = drawn(plot, rows).splitlines()
            fence = lines[0].removesuffix("text")
            assert [line for line in lines if line.startswith("```")] == [lines[0], fence]
            assert "```" not in fence.removeprefix("```") or len(fence) > 3

    @pytest.mark.parametrize("text", ["", "epoch\n", "a,b\nx,y\n", "\0", "loss\nnan\ninf\n"])
    def test_of_nothing_usable_are_left_out(self, text: str) -> None:
        """No empty frames, no errors."""
        assert drawn(Plot("t.csv", "epoch", "loss"), text) == ""
        assert drawn(Plot("t.json"), text) == ""


class TestMarkdown:
    """Names and values come from a pull request: anybody wrote them."""

    @pytest.mark.parametrize(
        "text", ["a|b", "a\nb", "<img src=x>", "[x](http://x)", "`x`", "@octocat", "![](x)", "-->"]
    )
    def test_cells_stay_cells(self, text: str) -> None:
        """No new column, line, tag, link, code or mention."""
        line = table(["t"], [[text]]).splitlines()
        assert len(line) == 3
        assert "\\|" in line[2] or line[2].count("|") == 2
        assert not any(bad in line[2] for bad in ("<", ">", "@o", " [", " `"))

    @pytest.mark.parametrize("text", ["#12", "acme/widgets#12", "GH-12", "@acme/team", "https://x.y", "www.x.y"])
    def test_nothing_becomes_a_link_after_the_markdown_is_read(self, text: str) -> None:
        """GitHub looks for names, numbers and addresses in the result, where a backslash is gone."""
        assert "\u200b" in escaped(text)

    def test_a_folded_title_shows_no_backslashes(self) -> None:
        """GitHub reads no Markdown inside of a tag's line."""
        section = Section("The end of train_big's <b>log", "x", folded=True)
        assert str(section).startswith("<details><summary>The end of train_big's &lt;b&gt;log</summary>")

    def test_half_a_character_breaks_nothing(self) -> None:
        """JSON can name one half of a pair."""
        assert fitted("head", [Section("\ud800", fenced("\ud800"))], 9_000).isascii()
        assert escaped("a\x00\u202eb") == "ab"

    def test_a_log_cannot_leave_its_fence(self) -> None:
        """Whatever number of backticks it holds."""
        assert fenced("```\n````x").startswith("`````text\n")

    @given(st.text(max_size=60), st.lists(st.text(max_size=3000), max_size=8), st.integers(2_000, 9_000))
    def test_a_report_keeps_within_the_limit_in_bytes(self, head: str, texts: list[str], limit: int) -> None:
        """Whole sections or none, and what is left out is said."""
        sections = [Section(f"part {index}", text * 3) for index, text in enumerate(texts)]
        whole = fitted(head, sections, limit)
        assert len(whole.encode("utf-8", "replace")) <= limit
        assert all(
            f"#### part {index}" in whole or f"part {index}" in whole.rpartition("Shortened")[2]
            for index in range(len(texts))
        )

    @given(st.text(), st.integers(3, 50))
    def test_a_cut_text_is_no_longer_than_asked(self, text: str, limit: int) -> None:
        """And it never ends in half a character."""
        assert len(cut(text, limit).encode("utf-8", "replace")) <= limit

    def test_a_long_cell_is_cut(self) -> None:
        """A value of a megabyte would be the whole report."""
        assert len(escaped("x" * 10_000)) == 200
