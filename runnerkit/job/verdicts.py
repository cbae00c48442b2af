"""A gate's results as Markdown: in the report, and in the step summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.job.document import Section, escaped, fitted, table
from runnerkit.job.values import shown

if TYPE_CHECKING:
    from runnerkit.job.gating import Judgement

HOLDS, FAILS = "✅", "❌"
NAMED = 3  # so many failures are named in the line that is never cut


def line(judged: Judgement) -> str:
    """The gate in one line of Markdown, with the first of what does not hold."""
    if judged.holds:
        return f"{HOLDS} {escaped(_capital(judged.sentence()))}"
    told = "; ".join(f"{escaped(each.metric)}: {escaped(each.why)}" for each in judged.failed[:NAMED])
    left = len(judged.failed) - NAMED
    more = f"; and {left} more" if left > 0 else ""
    return f"{FAILS} The gate does not hold, {len(judged.failed)} of {len(judged.verdicts)}: {told}{more}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def section(judged: Judgement) -> Section:
    """All results as a table, those that do not hold first."""
    rows = [
        [FAILS if not each.holds else HOLDS, each.metric, shown(each.new), str(each.rule), each.why]
        for each in sorted(judged.verdicts, key=lambda each: each.holds)
    ]
    text = table(["", "metric", "now", "must be", ""], rows, frozenset({2}))
    notes = "".join(f"\n\n> {escaped(note)}" for note in judged.notes)
    source = f"\n\nRules: {escaped(judged.source)}." if judged.source else ""
    return Section("Gate", text + notes + source, folded=judged.holds)


def summary(judged: Judgement, limit: int) -> str:
    """The gate for the step summary, in at most so many bytes."""
    return fitted(f"### {line(judged)}", [section(judged)], limit) + "\n"
