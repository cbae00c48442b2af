"""Logs: colours, groups, and what is new since the last question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.github.web import logs
from runnerkit.sandbox.github.web.ansi import to_html

if TYPE_CHECKING:
    from tests.sandbox.web.conftest import Day, Site

T = "2026-11-22T01:02:03.1234567Z "
REPO = "acme/train"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("\x1b[31mred\x1b[0m not", '<span class="fg1">red</span> not'),
        ("\x1b[1;92;44mx", '<span class="fg10 bg4 bold">x</span>'),
        ("\x1b[1mb\x1b[22m n", '<span class="bold">b</span> n'),
        ("\x1b[38;5;196mx\x1b[39my", '<span class="fg1">x</span>y'),
        ("\x1b[38;5;12mx", '<span class="fg12">x</span>'),
        ("\x1b[38;2;255;255;255mx", '<span class="fg15">x</span>'),
        ("\x1b[48;5;232mx", '<span class="bg0">x</span>'),
        ("\x1b[38;5mx", "x"),
        ("\x1b[2K\x1b[1Gx\x1b]8;;https://a\x07y\x1b", "xy"),
        ("a\x08\x00b", "ab"),
        ("see https://a.example/x?y=1&z.", 'see <a href="https://a.example/x?y=1&amp;z"'),
        ("\x1b[999;mx", "x"),
    ],
)
def test_colours(text: str, html: str) -> None:
    """Colour sequences become classes; every other control sequence is dropped."""
    assert to_html(text).startswith(html)


def test_blocks() -> None:
    """Lines have times and kinds, groups hold what is between their marks, and a line still being written waits."""
    text = f"{T}one\n{T}##[group]Run x\n{T}in\n{T}##[error]no\n{T}##[endgroup]\nbare\nunfinis"
    first, group, last = logs.blocks(text)
    assert [(line.number, line.text) for line in first.lines] == [(1, "one")]
    assert group.title is not None
    assert (group.title.number, group.title.text, group.alarming) == (2, "Run x", True)
    assert [line.kind for line in group.lines] == ["plain", "error"]
    assert [(line.number, line.place, line.text, line.at) for line in last.lines] == [(5, 6, "bare", None)]
    assert first.lines[0].at is not None
    assert logs.count(text) == 6


def test_groups_without_an_end() -> None:
    """The next group ends one that was left open; an end without a group is nothing."""
    found = logs.blocks("##[endgroup]\n##[group]a\nx\n##[group]b\ny\n")
    assert [(block.title.text if block.title else "", len(block.lines)) for block in found] == [("a", 1), ("b", 1)]


def test_progress_bars() -> None:
    """Of a line that was written over and over, the last state is shown."""
    assert logs.blocks("10%\r50%\r100%\r\n")[0].lines[0].text == "100%"


def test_since() -> None:
    """What is new continues its group, or begins a new one."""
    text = "##[group]a\nx\n"
    later = logs.since(logs.blocks(f"{text}y\n##[endgroup]\nz\n##[group]b\nw\n"), logs.count(text))
    assert [(each.fold, [line.text for line in each.block.lines]) for each in later] == [
        (1, ["y"]),
        (None, ["z"]),
        (None, ["w"]),
    ]
    assert logs.since(logs.blocks(text), 2) == []


def test_long_logs() -> None:
    """A log too long to show keeps its end, and says how much is left out."""
    text = "".join(f"{number}\n" for number in range(logs.MOST_LINES + 7))
    kept, left_out = logs.tail(logs.blocks(text), logs.count(text))
    assert left_out == 7
    assert kept[0].lines[0].text == "7"
    assert len(kept[0].lines) == logs.MOST_LINES


def test_polling(site: Site) -> None:
    """A page asks for what it has not: nothing is sent twice, a finished job says so."""
    world = site.world
    job = world.queue_job(REPO, ["gpu"])
    path = f"/{REPO}/actions/runs/{job.run_id}/job/{job.id}/log"
    job.steps = [{"name": "Train", "number": 1, "status": "in_progress"}]
    job.step_logs = {1: f"{T}##[group]Run\n{T}one\n{T}tw"}
    first = site.get(path).get_json()
    assert first["cursor"] == "1:2"
    assert not first["done"]
    assert "one" in first["fresh"][0]
    assert "tw" not in first["fresh"][0]
    job.step_logs[1] += f"o\n{T}##[endgroup]\n{T}three"
    second = site.get(f"{path}?since={first['cursor']}&head={first['fingerprint']}").get_json()
    assert second["head"] is None, "the head has not changed"
    assert second["fresh"] == []
    assert [(each["fold"], each["html"].count("two")) for each in second["steps"][0]["fragments"]] == [(1, 1)]
    job.steps.append({"name": "Upload", "number": 2, "status": "queued"})
    world.finish_job(job)
    last = site.get(f"{path}?since={second['cursor']}&head={first['fingerprint']}").get_json()
    assert last["done"]
    assert "Succeeded" in last["head"]
    assert "three" in last["steps"][0]["fragments"][0]["html"], "an unfinished line ends with the job"
    assert 'id="step-2"' in last["fresh"][0]
    assert site.get(f"{path}?since={last['cursor']}").get_json()["steps"][0]["fragments"] == []


@pytest.mark.parametrize(
    ("since", "fresh"), [("", 5), ("x", 5), ("1:", 5), ("999999999999:1", 5), ("-1:-1", 5), ("1:99999999", 4)]
)
def test_odd_cursors(day: Day, since: str, fresh: int) -> None:
    """A cursor that is none asks for everything, one beyond the end for nothing; neither is an error."""
    train = day.told.train
    answer = day.get(f"/{train.repository}/actions/runs/{train.run_id}/job/{train.id}/log?since={since}")
    assert answer.status_code == 200
    assert len(answer.get_json()["fresh"]) == fresh
    assert answer.get_json()["cursor"] == "1:2,2:0,3:27,4:0,5:0"


def test_a_log_without_steps(site: Site) -> None:
    """A log that came as a whole is one section."""
    job = site.world.queue_job(REPO, ["gpu"])
    job.log = "all of it\n"
    html = site.text(f"/{REPO}/actions/runs/{job.run_id}/job/{job.id}")
    assert "The job&#39;s log" in html
    assert "all of it" in html


def test_odd_steps(site: Site) -> None:
    """Whatever a runner says of its steps, there is a page."""
    job = site.world.queue_job(REPO, ["gpu"])
    job.steps = [{}, {"number": "x", "name": None, "started_at": 7, "conclusion": ["?"]}]
    assert "Step 1" in site.text(f"/{REPO}/actions/runs/{job.run_id}/job/{job.id}")
