"""What can be asked about, however it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runnerkit.errors import ConfigError
from runnerkit.history import Note
from runnerkit.phases import Phase
from runnerkit.testing.clock import EPOCH
from runnerkit.why import notes
from runnerkit.why.answers import Verdict
from runnerkit.why.questions import Question, host, read

WEB = "https://github.com/acme/widgets/actions/runs/5"

UNDERSTOOD = {
    "77": {"number": 77},
    " 77 ": {"number": 77},
    "rk-77-1": {"runner": "rk-77-1"},
    "RK-5-1-0123abcd-2": {"runner": "rk-5-1-0123abcd-2"},
    "i-0123456789abcdef0": {"instance": "i-0123456789abcdef0"},
    "i-0123abcd": {"instance": "i-0123abcd"},
    WEB: {"run": 5},
    f"{WEB}/": {"run": 5},
    f"{WEB}/attempts/2": {"run": 5, "attempt": 2},
    f"{WEB}/job/77": {"run": 5, "job": 77},
    f"{WEB}/job/77?pr=3#step:4:5": {"run": 5, "job": 77},
    f"{WEB}/attempts/2/job/77": {"run": 5, "attempt": 2, "job": 77},
    f"{WEB}/workflow": {"run": 5},
    "https://github.com/acme/widgets/runs/77": {"job": 77},
    "https://github.com/acme/widgets/runs/77?check_suite_focus=true": {"job": 77},
    "https://api.github.com/repos/acme/widgets/actions/runs/5": {"run": 5, "host": "github.com"},
    "https://api.github.com/repos/acme/widgets/actions/jobs/77": {"job": 77, "host": "github.com"},
    "https://git.example.com/acme/widgets/actions/runs/5/job/77": {"run": 5, "job": 77, "host": "git.example.com"},
    "https://git.example.com/api/v3/repos/acme/widgets/actions/jobs/77": {"job": 77, "host": "git.example.com"},
    "http://127.0.0.1:8080/acme/widgets/actions/runs/5": {"run": 5, "host": "127.0.0.1:8080"},
}


@pytest.mark.parametrize(("text", "said"), UNDERSTOOD.items(), ids=UNDERSTOOD)
def test_numbers_names_ids_and_pages_are_understood(text: str, said: dict[str, object]) -> None:
    """Pages name their repository and host; a number says nothing about what it counts."""
    page = {"repo": "acme/widgets", "host": "github.com"} if "://" in text else {}
    assert read(text) == Question(text.strip(), **{**page, **said})  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    "text",
    ["", "train", "rk-77", "i-xyz", "-1", "7.5", "1" * 20, "https://github.com/acme/widgets", "ftp://x/a/b/runs/5",
     "https://github.com/acme/widgets/pull/5", "https://github.com/acme/widgets/actions/runs/five", "77;ls"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_expected(text: str) -> None:
    """The hint names every kind of thing that can be asked about."""
    with pytest.raises(ConfigError) as told:
        read(text)
    assert "rk-17291-1" in told.value.hint


def test_a_page_of_another_repository_than_the_one_named_is_refused() -> None:
    """Which of the two is meant is not for us to guess."""
    assert read(WEB, "Acme/Widgets").repo == "acme/widgets"
    with pytest.raises(ConfigError, match="acme/other"):
        read(WEB, "acme/other")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.github.com", "github.com"),
        ("https://git.example.com/api/v3", "git.example.com"),
        ("https://api.acme.ghe.com", "acme.ghe.com"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
    ],
)
def test_the_apis_host_is_that_of_its_pages(address: str, expected: str) -> None:
    """So a page can be compared with the configured API."""
    assert host(address) == expected


def test_the_journal_is_narrowed_to_what_is_asked_about() -> None:
    """From a job to its machines and to the job that took one, but not to the rest of the journal."""
    journal = [
        Note(EPOCH, "job-seen", {"job": 77, "run": 5}),
        Note(EPOCH, "job-seen", {"job": 99, "run": 9}),
        Note(EPOCH, "launch-failed", {"runner": "rk-77-1"}),
        Note(EPOCH, "instance-launched", {"runner": "rk-77-2", "instance": "i-1", "job": 77, "run": 5}),
        Note(EPOCH, "job-taken", {"runner": "rk-77-2", "job": 78, "run": 5}),
        Note(EPOCH, "instance-launched", {"runner": "rk-78-1", "job": 78}),
        Note(EPOCH, "instance-launched", {"runner": "rk-99-1", "job": 99}),
        Note(EPOCH, "instance-launched", {"runner": "rk-5-1-0123abcd-1", "run": 5}),
    ]

    def found(*keys: notes.Key) -> list[int]:
        return [journal.index(note) for note in notes.about(journal, keys)]

    assert found(("job", 77)) == [0, 2, 3, 4, 5]
    assert found(("instance", "i-1")) == [0, 2, 3, 4, 5]
    assert found(("run", 5)) == [0, 2, 3, 4, 5, 7]
    assert found(("runner", "rk-99-1")) == [1, 6]
    assert found(("job", 12345)) == []


def test_the_page_explains_every_verdict() -> None:
    """And no other word: those of jobs, runs and machines, the phases of machines among the latter."""
    page = (Path(__file__).parents[2] / "docs/why.md").read_text(encoding="utf-8")
    rows = page.split("| verdict | of | means |")[1].split("\n## ")[0].splitlines()
    words = {word for row in rows if row.startswith("| `") for word in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    assert words == {str(verdict) for verdict in Verdict} | {str(phase) for phase in Phase} | {"live"}
