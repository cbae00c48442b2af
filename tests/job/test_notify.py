"""`notify`: messages that say enough and harm nobody, whatever names are in them; targets, failures, the wrapper."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from runnerkit.announcing import SECRET, targets
from runnerkit.announcing.posting import Posts
from runnerkit.cli.commands import app
from runnerkit.cli.notify import telling
from runnerkit.errors import ConfigError, NotTold, PipelineFailed
from runnerkit.job import wording
from runnerkit.job.notifying import Message, Metric, Moment, compose, moment_of
from runnerkit.job.place import Place
from runnerkit.job.progress import State
from runnerkit.job.result import Result, StageResult
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.testing import Sink
from tests.job.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HOSTILE = "<!channel> <@U1> & <https://evil.example|click> @here `x` *b*\r\n\x00\x1b[31m\u202e\N{SNOWMAN}"
PLACE = Place(
    repo="acme/houses", sha="0123456789abcdef" * 2, number=7, run_id="77", run_number=12, run_attempt=2,
    workflow="train", job="fit", url="https://github.com/acme/houses/actions/runs/77",
)  # fmt: skip


def finished(outcome: str = "success", **more: Any) -> Result:  # noqa: ANN401 - whatever a result may say
    stages = [
        StageResult("prepare", State.RESTORED, 0.4),
        StageResult("fit", State.FAILED if outcome == "failed" else State.RUN, 62.0),
    ]
    machine = {"type": "g5.xlarge", "market": "spot", "zone": "eu-west-1a", "price": "0.40", "started_at": 1000.0}
    return Result(outcome, started=1000.0, finished=10_000.0, stages=stages, machine=machine, **more)


def full(**more: Any) -> Message:  # noqa: ANN401 - whatever a message may say
    message = compose(Moment.SUCCESS, PLACE, {}, result=finished(), report="https://reports.example.com/77/index.html")
    message.metrics = [
        Metric("rmse", "0.21", "0.25", "▼ -0.04", "better", holds=True),
        Metric("cod", "17.2", "12", "▲ +5.2", "worse", holds=False),
    ]
    message.gate, message.gate_holds = "the gate does not hold, 1 of 2 metrics: cod: 17.2 is more than 15", False
    for name, value in more.items():
        setattr(message, name, value)
    return message


# --- what is said -----------------------------------------------------------------------------------------------------


def test_a_message_says_what_where_how_long_and_what_it_cost() -> None:
    """Everything that somebody asks next, in each of the three shapes."""
    message = full()
    texts = [wording.body(message), json.dumps(wording.slack(message), ensure_ascii=False)]
    for text in texts:
        for word in (
            "Pipeline done", "acme/houses#7", "train / fit, attempt 2", "1 run, 1 restored", "2 h 30 min",
            "g5.xlarge spot in eu-west-1a", "about $1.00", "rmse = 0.21 (base 0.25, ▼ -0.04) better [gate: ok]",
            "[gate: FAILS]", "the gate does not hold", "https://reports.example.com/77/index.html", PLACE.url,
        ):  # fmt: skip
            assert word in text, word
    said = wording.webhook(message)
    assert ("success", "acme/houses", 9000.0, False) == (
        said["event"],
        said["repo"],
        said["seconds"],
        said["gate_holds"],
    )
    assert {"name": "cod", "holds": False}.items() <= said["metrics"][1].items()
    json.dumps(said)


def test_a_failure_names_stage_and_reason_without_secrets() -> None:
    """What is in a variable whose name says that it is secret is struck out."""
    environ = {"API_TOKEN": "s3cr3t-value", "GITHUB_REF_NAME": "main"}
    result = finished("failed", error="fit failed with s3cr3t-value", hint="see its log")
    message = compose(Moment.FAILURE, Place(repo="acme/houses"), environ, result=result, text="mine: s3cr3t-value")
    told = wording.body(message) + json.dumps(wording.slack(message)) + json.dumps(wording.webhook(message))
    assert "s3cr3t-value" not in told
    assert "stage fit: fit failed with ***" in told
    assert "acme/houses @ main" in told


@pytest.mark.parametrize(
    ("outcome", "moment", "title"),
    [
        ("success", Moment.SUCCESS, "Pipeline done"),
        ("failed", Moment.FAILURE, "Pipeline failed"),
        ("interrupted", Moment.INTERRUPTION, "Interrupted"),
        ("cancelled", Moment.FAILURE, "Pipeline cancelled"),
        ("running", Moment.FAILURE, "ended from outside"),
    ],
)
def test_the_moment_is_what_the_run_came_to(outcome: str, moment: Moment, title: str) -> None:
    """Also of one that was killed and could write nothing any more."""
    result = finished(outcome)
    assert moment == moment_of(result)
    assert title in compose(moment, PLACE, {}, result=result).title
    assert Moment.FAILURE == moment_of(None)


# --- limits and harm --------------------------------------------------------------------------------------------------

LONG = {"hostile": HOSTILE * 400, "bytes": "é" * 90_000, "signs": "&" * 4000, "lines": "\n" * 200}
ANY = st.text(max_size=200) | st.sampled_from(["", HOSTILE, *LONG])


@settings(max_examples=30, deadline=None)
@given(title=ANY, repo=ANY, error=ANY, text=ANY, name=ANY, count=st.integers(0, 300))
def test_every_shape_keeps_within_what_its_carrier_takes(
    title: str, repo: str, error: str, text: str, name: str, count: int
) -> None:
    """Whatever is in it: signs, bytes, control characters; and nothing in Slack mentions anybody or makes a link."""
    title, repo, error, text, name = (LONG.get(each, each) for each in (title, repo, error, text, name))
    metrics = [Metric(name[:3000], "1", "2", "▼ -1", "better", holds=True)] * count
    message = full(title=title, repo=repo, error=error, text=text, metrics=metrics)
    subject = wording.subject(message)
    assert 0 < len(subject) < 100
    assert all(" " <= sign <= "~" for sign in subject)
    assert not subject.startswith(" ")
    body = wording.body(message)
    assert 0 < len(body.encode()) <= 262_144
    assert not {"\x00", "\x1b", "\r", "\u202e"} & set(body)
    said = wording.slack(message)
    assert 1 <= len(said["blocks"]) <= 50
    texts = [block["text"]["text"] for block in said["blocks"]]
    assert all(0 < len(each) <= 3000 for each in texts)
    assert len(texts[0]) <= 150
    assert sum(map(len, texts)) <= 13_000
    own = {"<https://github.com/acme/houses/actions/runs/77|", "<https://reports.example.com/77/index.html|"}
    for each in (*texts[1:], said["text"]):
        rest = each
        for link in own:
            rest = rest.replace(link, "")
        assert "<" not in rest
        assert all(end.split(";")[0] in {"amp", "lt", "gt"} for end in rest.split("&")[1:])
    assert all(block["text"].get("verbatim") for block in said["blocks"][1:])


def test_hostile_names_are_words_in_slack() -> None:
    """A branch may be called anything; nobody is woken by it."""
    said = wording.slack(full(repo=HOSTILE, number=None, ref="<!here>"))
    told = json.dumps(said)
    assert "<!" not in told
    assert "<@" not in told
    assert "&lt;!channel&gt;" in told


def test_a_long_block_keeps_its_fence() -> None:
    """Cut at a line, and closed again."""
    rows = [Metric(f"metric_{number}" * 8, "0.123456") for number in range(100)]
    blocks = [block["text"]["text"] for block in wording.slack(full(metrics=rows))["blocks"]]
    (fenced,) = [text for text in blocks if text.startswith("```")]
    assert fenced.endswith("…\n```")
    assert len(fenced) <= 3000


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "mail:x@y", "slack:", "webhook:", "sns:", "sns:runs", "slack:http://hooks.example.com/SECRETPART",
        "slack:ftp://hooks.example.com/SECRETPART", "slack:https:///SECRETPART", "webhook:https://x:99999/SECRETPART",
        "slack:https://hooks.example.com/a SECRETPART", "slack:UNSET_VARIABLE", "webhook:HTTP_URL",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused_without_showing_it(written: str) -> None:
    """An address is a secret, also one with a mistake in it; https only, but for this machine."""
    with pytest.raises(ConfigError) as caught:
        targets([written], {"HTTP_URL": "http://hooks.example.com/SECRETPART"})
    assert "SECRETPART" not in caught.value.message + caught.value.hint


def test_a_target_is_named_without_its_secret() -> None:
    """By host, or by the variable it came from."""
    environ = {"SLACK_URL": "https://hooks.slack.com/services/T/B/SECRETPART"}
    arn = "arn:aws:sns:eu-west-1:123456789012:runs"
    written = ["slack:SLACK_URL", "webhook:https://x.example.com/SECRETPART", f"sns:{arn}", arn, f"sns:{arn}", ""]
    assert ["slack:SLACK_URL", "webhook:https://x.example.com/***", f"sns:{arn}", f"sns:{arn}"] == [
        target.name for target in targets(written, environ)
    ]


def test_a_webhook_is_signed_and_slack_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """As GitHub signs its own; Slack has nothing that would check it. No proxy is asked for this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Sink() as sink:
        for target in targets([f"slack:{sink.url}", f"webhook:{sink.url}?a=b"], {SECRET: "key"}):
            target.send(full())
        slack, webhook = sink.messages
    assert "x-hub-signature-256" not in slack.headers
    expected = hmac.new(b"key", webhook.body, hashlib.sha256).hexdigest()
    assert (f"sha256={expected}", "success") == (
        webhook.headers["x-hub-signature-256"], webhook.headers["x-runnerkit-event"],
    )  # fmt: skip
    assert webhook.path.endswith("?a=b")
    assert "Pipeline done" in slack.json["text"]
    assert "header" == slack.json["blocks"][0]["type"]


@pytest.mark.parametrize(
    ("answers", "count", "word"),
    [
        ([503], 2, ""),
        ([0], 2, ""),
        ([429], 2, ""),
        ([500, 502], 2, "answered 502"),
        ([404], 1, "answered 404"),
        ([302], 1, "answered 302"),
        ([307], 1, "answered 307"),
    ],
)
def test_a_receiver_is_tried_twice_when_that_may_help(answers: list[int], count: int, word: str) -> None:
    """Not after a plain no; nor does anything follow a redirection, which would give the message to somebody else."""
    with Sink(answers) as sink:
        (target,) = targets([f"slack:{sink.url}"], {})
        if word:
            with pytest.raises(NotTold, match=word) as caught:
                target.send(full())
            assert "sEcReT" not in caught.value.message
        else:
            target.send(full())
        assert count == len(sink.messages)


def test_nobody_there_is_told_without_the_address() -> None:
    """Where nothing listens."""
    (target,) = targets(["slack:http://127.0.0.1:9/SECRETPART"], {})
    with pytest.raises(NotTold, match="cannot be reached") as caught:
        target.send(full())
    assert "SECRETPART" not in str(caught.value.as_dict())


def test_a_slow_receiver_keeps_nobody_waiting() -> None:
    """Each has its own thread, hears things in their order, and is given up in the end; a failure is a warning."""
    warnings: list[str] = []
    with Sink(delay=20) as slow, Sink() as quick, Sink([404]) as broken:
        written = [f"{kind}:{sink.url}" for kind, sink in (("slack", slow), ("webhook", quick), ("webhook", broken))]
        posts = Posts(targets(written, {}), warnings.append)
        begun = time.monotonic()
        for moment in (Moment.START, Moment.SUCCESS):
            posts.post(compose(moment, PLACE, {}))
        assert quick.wait(lambda found: len(found) == 2)
        assert broken.wait(lambda found: len(found) == 2)
        posts.close(0.5)
        assert time.monotonic() - begun < 15
        assert ["start", "success"] == [each.json["event"] for each in quick.messages]
        slow.delay = 0
    assert 2 == len(warnings)
    assert any("answered 404" in each for each in warnings)
    assert any("was not told in 0.5 s" in each for each in warnings)


# --- SNS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> Iterator[SandboxEc2]:
    with SandboxEc2() as ec2:
        yield ec2


def client(world: SandboxEc2, name: str) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
    make: Any = boto3.client
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return make(name, endpoint_url=world.url, region_name="us-east-1", **keys)


def test_a_topic_passes_on_what_it_is_told(world: SandboxEc2, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subject, text and the attribute that subscribers filter by arrive at a queue; a missing topic is named."""
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    sns, sqs = client(world, "sns"), client(world, "sqs")
    arn = sns.create_topic(Name="runs")["TopicArn"]
    queue = sqs.create_queue(QueueName="read")["QueueUrl"]
    place = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=place)
    (target,) = targets([f"sns:{arn}"], {})
    target.send(full(repo="acme/häuser\n" + "x" * 200, text="é" * 200_000))
    (got,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    said = json.loads(got["Body"])
    assert said["Subject"].startswith("Pipeline done: acme/hauser xxx")
    assert len(said["Subject"]) < 100
    assert len(said["Message"].encode()) <= 262_144
    assert "success" == said["MessageAttributes"]["event"]["Value"]
    (missing,) = targets([f"{arn}-missing"], {})
    with pytest.raises(NotTold, match="there is no such topic"):
        missing.send(full())


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "RUNNERKIT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GITHUB_RUN_ID", "77")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str, code: int = 0) -> Mapping[str, Any]:
    done = CliRunner().invoke(app, ["notify", *args, "--json"])
    assert code == done.exit_code, done.output
    said: Mapping[str, Any] = json.loads(done.stdout)
    return said


def test_the_command_tells_what_the_run_came_to(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the result file, the metrics and the published report in the folder; targets from the environment."""
    work = job / ".runnerkit"
    work.mkdir()
    finished("failed", error="fit failed").write(work)
    (work / "published.json").write_text('{"url": "https://reports.example.com/77", "run": "77"}', encoding="utf-8")
    with Sink() as sink:
        monkeypatch.setenv("SLACK_URL", sink.url)
        monkeypatch.setenv("RUNNERKIT_NOTIFY", f"slack:SLACK_URL, webhook:{sink.url}")
        said = run()
        assert (["slack:SLACK_URL", "webhook:https://127.0.0.1/***"], []) == (said["to"], said["failed"])
        run("start", "--to", "webhook:SLACK_URL", "-m", "fire!", "--title", "Mine")
        run("--to", "webhook:SLACK_URL", "-m", "plain words")
        run("--dry-run")
    assert ["Pipeline failed", "Mine", "Message"] == [each.json["title"] for each in sink.messages[1:]]
    failed, start, plain = (each.json for each in sink.messages[1:])
    assert ("fit failed", "https://reports.example.com/77") == (failed["error"], failed["report"])
    assert ("start", "fire!", "") == (start["event"], start["text"], start["error"])
    assert ("message", "plain words", "") == (plain["event"], plain["text"], plain["stages"])


@pytest.mark.usefixtures("job")
def test_the_command_fails_loudly_and_tells_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is broken keeps nobody from hearing; without targets, or with a word that is none, it is refused."""
    with Sink([404]) as broken, Sink() as sound:
        monkeypatch.setenv("BROKEN", broken.url)
        said = run("success", "--to", "slack:BROKEN", "--to", f"webhook:{sound.url}", code=9)
        assert ["slack:BROKEN answered 404 (ok)"] == said["failed"]
        assert 1 == len(sound.messages)
        done = CliRunner().invoke(app, ["notify", "--to", "slack:BROKEN"])
        assert 0 == done.exit_code, "the second answer is fine"
    assert "nobody is named" in run("success", code=2)["error"]["message"]
    run("sucess", "--to", "slack:BROKEN", code=2)


# --- around a pipeline ------------------------------------------------------------------------------------------------


def events(sink: Sink) -> list[str]:
    return [each.json["event"] for each in sink.messages]


@pytest.mark.usefixtures("job")
def test_a_pipeline_that_cannot_even_start_is_told() -> None:
    """The seed's own notification never came when it was needed, for it was a step of the pipeline."""
    with Sink() as sink:
        with pytest.raises(ConfigError), telling([f"webhook:{sink.url}"], lambda _: None):
            raise ConfigError("no remote is set", hint="set one")
        assert [("failure", "no remote is set")] == [(each.json["event"], each.json["error"]) for each in sink.messages]


@pytest.mark.usefixtures("job")
def test_an_end_is_told_once_and_only_wanted_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """RUNNERKIT_NOTIFY_ON says which; targets that are none are warnings, as on a fork that has no secrets."""
    warnings: list[str] = []
    monkeypatch.setenv("RUNNERKIT_NOTIFY_ON", "failure,interruption")
    with Sink() as sink:
        monkeypatch.setenv("RUNNERKIT_NOTIFY", f"webhook:{sink.url}")
        with suppress(PipelineFailed), telling(["slack:", "slack:NOT_SET"], warnings.append) as listeners:
            for listener in listeners:
                listener("start", Result())
                listener("failure", finished("failed", error="fit failed"))
            raise PipelineFailed("fit failed")
        assert ["failure"] == events(sink)
        with telling(None, warnings.append) as listeners:
            assert [] == listeners
    assert 2 == len(warnings)
    assert all(each.startswith("::warning::runnerkit: not told: ") for each in warnings)


@pytest.mark.slow
def test_a_stage_that_fails_is_told_by_the_real_command(tmp_path: Path) -> None:
    """Start and failure with the stage's name; a receiver that is gone is a warning; the code is the pipeline's."""
    workshop = Workshop(tmp_path)
    origin = workshop.origin(train="echo broken >&2; exit 3")
    with Sink() as sink, Sink([404, 404]) as gone:
        command = workshop.command(
            origin, "dvc", "run", "--no-push", "--notify", f"slack:{gone.url}",
            RUNNERKIT_NOTIFY="webhook:HOOK", HOOK=sink.url, GITHUB_REPOSITORY="acme/houses",
        )  # fmt: skip
        output, _ = command.communicate(timeout=120)
    assert 10 == command.returncode, output
    assert ["start", "failure"] == events(sink)
    failure = sink.messages[1].json
    assert ("train", "acme/houses", "Pipeline failed") == (
        failure["failed_stage"], failure["repo"], failure["title"],
    )  # fmt: skip
    assert "1 run, 1 failed" in failure["stages"]
    assert 2 == output.count("::warning::runnerkit: not told: slack:https://127.0.0.1/*** answered 404")
    assert "sEcReT" not in output
