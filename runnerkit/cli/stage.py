"""How the demo looks: moments as they come, the job's log between them, then the report, the time and the cost."""

from __future__ import annotations

import math
import os
import re
import time
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from runnerkit.sandbox.ending import Ending, Moment
    from runnerkit.sandbox.together import Sandbox

# GitHub's hosted GPU runner (Linux, 4 cores, one T4), dollars a minute; every job is rounded up to whole minutes.
# Source: GitHub's "Actions runner pricing", SKU linux_4_core_gpu, read 2026-10.
HOSTED_GPU_MINUTE = 0.052
BAR = 36

GOOD, BAD, NOTE = "green", "red", "yellow"
LOOKS = {
    "job-completed": (GOOD, "✔"),
    "report-written": (GOOD, "✔"),
    "nothing-left": (GOOD, "✔"),
    "something-left": (BAD, "✘"),
    "offering-refused": (NOTE, "✘"),
    "spot-notice": (NOTE, "!"),
    "job-refused": (BAD, "✘"),
    "launch-failed": (BAD, "✘"),
    "action-failed": (BAD, "✘"),
    "run-repeated": (NOTE, "↻"),
}
NEXT = {
    "pull-request-opened": "GitHub reads the workflow",
    "job-queued": "the controller looks for a machine",
    "offering-chosen": "AWS is asked for it",
    "offering-refused": "the next offering is tried",
    "instance-launched": "the machine starts",
    "instance-booting": "the machine boots",
    "runner-online": "GitHub hands over the job",
    "job-started": "the pipeline runs",
    "spot-notice": "the job saves what it has",
    "report-written": "the job ends",
    "job-completed": "the machine ends itself",
    "run-repeated": "the run waits for a new machine",
    "instance-terminated": "what is left is counted",
}


class Stage:
    """Shows the demo on a terminal, or line by line in a pipe. A context manager that leaves the terminal as it was."""

    def __init__(self, stream: TextIO, console: Console | None = None) -> None:
        plain = None if stream.isatty() or os.environ.get("FORCE_COLOR") else 100
        self._console = console or Console(file=stream, width=plain, highlight=False, soft_wrap=False)
        self._live: Live | None = None
        self._began = time.monotonic()
        self._failed = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(self._status("the sandbox starts"), console=self._console, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the moving line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _status(self, text: str) -> Spinner:
        return Spinner("dots", Text(f" {text} ...", style="dim"))

    def opened(self, sandbox: Sandbox) -> None:
        """The sandbox is up."""
        self._console.print(Text.assemble(("runnerkit demo", "bold"), f"  {sandbox.repository} in the sandbox"))
        self._console.print(Text(f"GitHub  {sandbox.github.url}   AWS  {sandbox.ec2.url}", style="dim"))
        self._console.print()

    def moment(self, moment: Moment) -> None:
        """Something happened."""
        color, sign = LOOKS.get(moment.what, ("cyan", "●"))
        if moment.what == "job-completed" and not moment.text.endswith("success"):
            color, sign = BAD, "✘"
        head = Text.assemble(
            (f"{moment.at:6.1f} s ", "dim"), (f"{sign} ", color), (moment.what.replace("-", " "), "bold")
        )
        row = Table.grid(padding=(0, 2))
        row.add_column(width=31, no_wrap=True)
        row.add_column(overflow="fold")
        row.add_row(head, Text(moment.text))
        self._console.print(row)
        if self._live is not None:
            self._live.update(self._status(NEXT.get(moment.what, moment.text)))

    def log(self, line: str) -> None:
        """A line of the job's log; what only frames it is left out."""
        if not line.strip() or line.startswith("[command]"):
            return
        text = Text.from_ansi(line)
        if line.startswith("##["):
            kind, _, rest = line[3:].partition("]")
            if kind == "endgroup":
                return
            text = Text(rest, style={"error": BAD, "warning": NOTE, "group": "bold"}.get(kind, "dim"))
        text.truncate(max(self._console.width - 12, 20), overflow="ellipsis")
        self._console.print(Text.assemble(("         │ ", "dim"), text))

    def ended(self, ending: Ending) -> None:
        """All is over: the report, where the time went, what it cost, what is left."""
        out = self._console
        out.print()
        if ending.report:
            report = Panel(Markdown(_for_terminal(ending.report)), border_style="dim")
            report.title = "the report on the pull request"
            out.print(report)
        out.print(_timeline(ending))
        out.print(_cost(ending))
        if ending.trouble:
            out.print(Text(f"trouble: {ending.trouble}", style=BAD))
        verdict = Text("everything worked, nothing is left", style=f"bold {GOOD}")
        if not ending.ok:
            verdict = Text(f"the job ended with {ending.conclusion}; left: {ending.left}", style=f"bold {BAD}")
        out.print(Text.assemble(verdict, (f"  ({ending.seconds:.1f} s)", "dim")))

    def kept(self, environment: Mapping[str, str], page: str) -> None:
        """The sandbox stays up."""
        lines = [Text(f"export {name}={value}") for name, value in environment.items()]
        self._console.print(Rule("the sandbox stays up", style="dim"))
        self._console.print(
            Group(Text.assemble("look at ", (page, "bold")), Text("or use it:"), *lines), soft_wrap=True
        )
        self._console.print("\nCtrl-C ends it and everything in it.")


def _for_terminal(report: str) -> str:
    """The report's markdown without what only a browser understands."""
    text = re.sub(r"<!--.*?-->\n?", "", report, flags=re.DOTALL)
    text = re.sub(r"<details>\s*<summary>(.*?)</summary>", r"**\1**\n", text)
    return re.sub(r"\n{3,}", "\n\n", text.replace("</details>", ""))


SPANS = (
    ("waiting for a machine", "job-queued", "instance-launched"),
    ("launch and boot", "instance-launched", "runner-online"),
    ("handing over the job", "runner-online", "job-started"),
    ("the job", "job-started", "job-completed"),
    ("ending the machine", "job-completed", "instance-terminated"),
)


def _timeline(ending: Ending) -> Group:
    """Where the seconds went, as bars from the pull request on."""
    table = Table.grid(padding=(0, 2))
    scale = BAR / max(ending.seconds, 1.0)
    for name, begins, ends in _spans(ending):
        bar = " " * int(begins * scale) + "━" * max(1, round((ends - begins) * scale))
        table.add_row(Text(name), Text(f"{ends - begins:5.1f} s", style="bold"), Text(bar, style="cyan"))
    return Group(Rule("where the time went", style="dim"), table)


def _spans(ending: Ending) -> list[tuple[str, float, float]]:
    """Each span from every time it began to the next time it ended."""
    found = []
    for name, begins, ends in SPANS:
        starts = [moment.at for moment in ending.timeline if moment.what == begins]
        for start in starts:
            end = next((m.at for m in ending.timeline if m.what == ends and m.at >= start), None)
            if end is not None:
                found.append((name, start, end))
    return sorted(found, key=lambda span: span[1])


def _cost(ending: Ending) -> Group:
    """What the machines cost, beside what GitHub's own GPU runner would have."""
    table = Table.grid(padding=(0, 2))
    for machine in ending.machines:
        lived = (machine.ended or ending.seconds) - machine.launched
        what = f"{machine.view.type} {machine.view.market}, {lived:.0f} s (a minute is the least that EC2 bills)"
        table.add_row(Text(what), Text(f"${machine.cost:.4f}", style="bold"))
    minutes = max(1, math.ceil(ending.job_seconds / 60))
    hosted = f"the same job on GitHub's hosted GPU runner, {minutes} min at ${HOSTED_GPU_MINUTE:.3f}"
    table.add_row(Text(hosted, style="dim"), Text(f"${minutes * HOSTED_GPU_MINUTE:.4f}", style="dim"))
    return Group(Rule("what it cost", style="dim"), table)
