"""What of a report stays on a surface that takes so many bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit.cli.summaries import append_to_summary
from runnerkit.job.document import CHECK_LIMIT, COMMENT_LIMIT, SLACK_LIMIT, SUMMARY_LIMIT, Section
from runnerkit.job.gating import Gate, Rule
from runnerkit.job.reporting import Drawing, Report
from runnerkit.job.values import Change
from tests.job.drafts import report

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

WORDS = st.text(alphabet=st.sampled_from("aé漢🟢\u200b|<&`*@#1 \n"), max_size=120)
LIMITS = (COMMENT_LIMIT, CHECK_LIMIT, SUMMARY_LIMIT, SLACK_LIMIT)


def told(words: list[str], many: int) -> Report:
    found = report()
    found.base = words[0] if words else "main"
    found.metrics = [Change("m.json", f"{word}{index}", 1.0, 2.0) for index in range(many) for word in words or ["m"]]
    found.params = [Change("p.yaml", word, None, word) for word in words]
    found.drawings = [Drawing(word, word * many) for word in words]
    found.problems = list(words)
    found.texts = [Section("", word * many) for word in words]
    found.judged = Gate(tuple(Rule(word or "x", min=1.0) for word in words)).judge(found.metrics, base="main")
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(WORDS, max_size=6), st.integers(1, 400), st.sampled_from(LIMITS))
def test_no_report_is_larger_than_its_surface(words: list[str], many: int, limit: int) -> None:
    """In bytes, of whatever letters; title, link and the beginning of the first table are always there."""
    body = told(words, many).body(limit)
    assert len(body.encode()) <= limit
    assert "### ✅ Pipeline done" in body
    assert "[run 7](https://x/7)" in body
    assert "#### Metrics\n\n| metric |" in body


def test_sections_are_cut_at_their_borders() -> None:
    """What stays is whole, and what is left out is named."""
    found = report()
    found.metrics = [Change("m.json", "accuracy", None, 0.9)]
    found.drawings = [Drawing(f"plot {number}", "█" * 900) for number in range(9)]
    body = found.body(SLACK_LIMIT)
    assert body.count("<details>") == body.count("</details>")
    assert "> Shortened to what GitHub takes: plot 0" in body


def test_the_summary_counts_what_is_there_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub's limit is one of the step: a summary that is too large is thrown away as a whole."""
    file = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    file.write_text("x" * (SUMMARY_LIMIT - 5_000), encoding="utf-8")
    found = report()
    found.texts = [Section("", "y" * 100_000)]
    append_to_summary(found.body, SUMMARY_LIMIT)
    assert SUMMARY_LIMIT - 4_999 < file.stat().st_size <= SUMMARY_LIMIT
    assert "Pipeline done" in file.read_text(encoding="utf-8")
