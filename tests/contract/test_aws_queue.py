"""The Lambda handler behind moto's SQS and EventBridge: duplicates, disorder, poison, batches that fail in part."""

# ruff: noqa: D102 - stand-ins of ports, which say what their methods are

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest

from runnerkit.aws.controller import LEAST_SECONDS, RESERVE_SECONDS, Controller
from runnerkit.aws.deadline import Deadline, OutOfTime
from runnerkit.aws.handler import controller as controller_of
from runnerkit.aws.parameters import with_parameters
from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError, RateLimited
from runnerkit.events import ActionFailed, MessageDropped
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.system import SystemClock
from runnerkit.testing import RecordedEvents
from runnerkit.testing.memory import MemoryJournal
from tests.contract.queue_world import MOST_RECEIVES, SECRET, Queue, delivery, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runnerkit.fleet import Fleet

NAMES = (f"hints-{number}" for number in itertools.count())
WARNING = {
    "version": "0",
    "source": "aws.ec2",
    "detail-type": "EC2 Spot Instance Interruption Warning",
    "detail": {"instance-id": "i-0123456789abcdef0", "instance-action": "terminate"},
}


@pytest.fixture(scope="module")
def world() -> Iterator[SandboxEc2]:
    with SandboxEc2() as ec2:
        yield ec2


@pytest.fixture
def queue(world: SandboxEc2) -> Queue:
    return Queue(world, next(NAMES))


class Passes:
    """A fleet that only counts: each pass does what ``then`` says."""

    def __init__(self) -> None:
        self.made = 0
        self.tidied = 0
        self.then: Callable[[], None] = lambda: None

    def hint(self, repo: str) -> bool:
        return repo.startswith("acme/")

    def once(self, *, tidy: bool = True) -> None:
        self.made += 1
        self.tidied += tidy
        self.then()


class Flushed(MemoryJournal):
    """A journal that counts how often it is written."""

    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


class Function:
    """The Lambda function: a controller over counted passes, with the time that is left."""

    def __init__(self) -> None:
        self.fleet, self.journal, self.events = Passes(), Flushed(), RecordedEvents()
        self.left = 120.0
        self.controller = Controller(
            cast("Fleet", self.fleet), self.journal, secrets=[SECRET], clock=SystemClock(), events=self.events
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return self.controller.handle(batch, lambda: self.left)

    def dropped(self) -> list[str]:
        return [event.why for event in self.events.of(MessageDropped)]


@pytest.fixture
def function() -> Function:
    return Function()


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


LIMITED = RateLimited("GitHub asks to wait", reset=SystemClock().now())

# --- what a message means ---------------------------------------------------------------------------------------------


def test_a_signed_webhook_is_a_pass(queue: Queue, function: Function) -> None:
    """The signature is that of the body as it came, whatever script its letters are of."""
    queue.webhook(delivery())
    assert 1 == queue.deliver(function)
    assert (1, 1, []) == (function.fleet.made, function.journal.flushes, function.dropped())
    assert 0 == queue.count()


def test_a_batch_is_one_pass(queue: Queue, function: Function) -> None:
    """Ten webhooks of one push, and the schedule among them."""
    for _ in range(9):
        queue.webhook(delivery())
    queue.send(json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}))
    assert 1 == queue.deliver(function)
    assert 1 == function.fleet.made


@pytest.mark.parametrize(
    ("body", "signature", "why"),
    [
        (delivery(), "sha256=" + "0" * 64, "the signature is wrong"),
        (delivery(), signed(delivery(), "another-secret-of-theirs"), "the signature is wrong"),
        (delivery(), "none", "the signature is wrong"),
        ("{", signed("{"), "the body is neither JSON"),
        (json.dumps(WARNING), "forged", "the signature is wrong"),
    ],
)
def test_what_github_did_not_sign_is_thrown_away(
    queue: Queue, function: Function, body: str, signature: str, why: str
) -> None:
    """No pass, no second delivery, nothing in the dead-letter queue; an event says which message and why."""
    id_ = queue.webhook(body, signature)
    assert 1 == queue.deliver(function)
    (event,) = function.events.of(MessageDropped)
    assert (id_, True) == (event.message, event.why.startswith(why))
    assert (0, 0, 0) == (function.fleet.made, queue.count(), queue.count(queue.dead))


@pytest.mark.parametrize(
    "body", ["not json", "[]", "null", "{}", '{"source": "aws.s3", "detail-type": "Object Created"}', "[" * 100_000]
)
def test_poison_is_thrown_away(queue: Queue, function: Function, body: str) -> None:
    """Whatever somebody put into the queue who may: it is not tried for ever."""
    queue.send(body)
    assert 1 == queue.deliver(function)
    assert (1, 0, 0, 0) == (len(function.dropped()), function.fleet.made, queue.count(), queue.count(queue.dead))


@pytest.mark.parametrize(
    "body",
    [
        delivery(status="in_progress"),
        delivery(labels=("ubuntu-24.04",)),
        delivery(repo="strangers/repo"),
        json.dumps({"zen": "Keep it simple.", "hook_id": 1}),
    ],
)
def test_webhooks_that_need_nothing_cost_nothing(queue: Queue, function: Function, body: str) -> None:
    """Jobs that run, of other runners, of other repositories, and GitHub's ping."""
    queue.webhook(body, event="ping" if "zen" in body else "workflow_job")
    assert 1 == queue.deliver(function)
    assert (0, [], 0) == (function.fleet.made, function.dropped(), queue.count())


def test_records_of_any_shape_are_survived(function: Function) -> None:
    """Fields that are missing or of another type."""
    records: list[Any] = [
        None,
        5,
        {},
        {"messageId": 5, "body": 7},
        {"messageAttributes": []},
        {"messageAttributes": {"event": 1}},
    ]
    records.append({"messageAttributes": {"event": {"stringValue": "workflow_job"}}, "body": None})
    assert {"batchItemFailures": []} == function({"Records": records})
    assert len(records) == len(function.dropped())
    assert 0 == function.fleet.made


@pytest.mark.parametrize("attribute", ["from", "signature", "x"])
def test_no_attribute_lets_a_stranger_pass_for_eventbridge(queue: Queue, function: Function, attribute: str) -> None:
    """A header may hold whatever breaks out of the text that API Gateway makes attributes of."""
    attributes = {attribute: {"DataType": "String", "StringValue": "eventbridge"}}
    queue.sqs.send_message(QueueUrl=queue.url, MessageBody=json.dumps(WARNING), MessageAttributes=attributes)
    assert 1 == queue.deliver(function)
    assert (0, 1, 0) == (function.fleet.made, len(function.dropped()), queue.count())


def test_a_call_without_records_is_a_pass(function: Function) -> None:
    """Somebody presses the console's test button."""
    function.fleet.then = failing(LIMITED)
    assert {"batchItemFailures": []} == function({"anything": 1})
    assert 1 == function.fleet.made


# --- EventBridge ------------------------------------------------------------------------------------------------------


def test_an_event_of_eventbridge_is_a_pass(queue: Queue, function: Function) -> None:
    """Put through EventBridge itself: what fits the rule comes as an envelope, what does not fit does not come."""
    events = queue.rule({"source": ["acme.ec2"]})
    entries = [
        {"Source": "acme.ec2", "DetailType": WARNING["detail-type"], "Detail": json.dumps(WARNING["detail"])},
        {"Source": "acme.other", "DetailType": "x", "Detail": "{}"},
    ]
    assert 0 == events.put_events(Entries=entries)["FailedEntryCount"]
    assert 1 == queue.count()

    def of_aws(batch: dict[str, Any]) -> dict[str, Any]:
        # Nobody but AWS may put events whose source begins with aws.
        for record in batch["Records"]:
            record["body"] = record["body"].replace("acme.ec2", "aws.ec2")
        return function(batch)

    assert 1 == queue.deliver(of_aws)
    assert (1, []) == (function.fleet.made, function.dropped())


def test_an_event_cannot_be_forged_through_the_gateway(queue: Queue, function: Function) -> None:
    """What API Gateway put there is marked by API Gateway, and must be signed, whatever its body says."""
    queue.webhook(json.dumps(WARNING), "sha256=" + "0" * 64)
    queue.deliver(function)
    assert (0, 1) == (function.fleet.made, len(function.dropped()))


# --- duplicates, disorder, failures -----------------------------------------------------------------------------------


def test_duplicates_and_disorder_change_nothing_but_the_number_of_passes(queue: Queue, function: Function) -> None:
    """SQS promises at least once and no order: each message is handled, none is an error, none is left."""
    bodies = [delivery(status=status) for status in ("queued", "in_progress", "completed", "queued", "queued")] * 8
    random.Random(7).shuffle(bodies)
    for body in bodies:
        queue.webhook(body)
    batches = queue.deliver(function)
    assert batches >= 4
    assert 1 <= function.fleet.made <= batches
    assert ([], 0, 0) == (function.dropped(), queue.count(), queue.count(queue.dead))


def test_hints_come_again_when_their_pass_fails_for_now_and_poison_never(queue: Queue, function: Function) -> None:
    """Partial batch failure: exactly the hints are reported; after so many tries they are in the dead-letter queue."""
    hints = {queue.webhook(delivery()) for _ in range(3)}
    poison = {queue.webhook(delivery(), "sha256=" + "0" * 64), queue.send("not json")}
    function.fleet.then = failing(LIMITED)
    reported: list[set[str]] = []

    def watched(batch: dict[str, Any]) -> dict[str, Any]:
        answer = function(batch)
        reported.append({each["itemIdentifier"] for each in answer["batchItemFailures"]})
        return answer

    queue.deliver(watched)
    assert set().union(*reported) == hints
    assert 2 == len(poison) == len(function.dropped())
    assert (0, 3) == (queue.count(), queue.count(queue.dead))
    assert MOST_RECEIVES <= function.fleet.made <= 3 * MOST_RECEIVES
    assert function.fleet.made == function.journal.flushes


def test_a_pass_that_works_the_second_time_leaves_nothing(queue: Queue, function: Function) -> None:
    """A webhook whose first pass failed is heeded when it comes again, in the same process."""
    queue.webhook(delivery())

    def once_only() -> None:
        if function.fleet.made == 1:
            raise LIMITED

    function.fleet.then = once_only
    assert 2 == queue.deliver(function)
    assert (2, 0, 0) == (function.fleet.made, queue.count(), queue.count(queue.dead))


@pytest.mark.parametrize("error", [CloudDenied("no"), ConfigError("no")])
def test_what_no_repetition_mends_is_told_and_not_repeated(queue: Queue, function: Function, error: Exception) -> None:
    """A permission is missing: the log says so, and the schedule comes in a minute anyway."""
    queue.webhook(delivery())
    function.fleet.then = failing(error)
    assert 1 == queue.deliver(function)
    assert (0, 0) == (queue.count(), queue.count(queue.dead))
    (event,) = function.events.of(ActionFailed)
    assert ("pass", error) == (event.action, event.error)


def test_a_fault_of_ours_is_told_with_its_place_and_tried_again(queue: Queue, function: Function) -> None:
    """A bug in one pass must not lose the hints; it ends in the dead-letter queue, whose alarm rings."""
    queue.webhook(delivery())
    function.fleet.then = failing(ZeroDivisionError("oops"))
    assert MOST_RECEIVES == queue.deliver(function)
    assert 1 == queue.count(queue.dead)
    event = function.events.of(ActionFailed)[0]
    assert "ZeroDivisionError" in event.error.message
    assert "test_aws_queue" in event.error.hint


@pytest.mark.slow
def test_a_huge_burst_is_handled_batch_by_batch(queue: Queue, function: Function) -> None:
    """A hundred webhooks within a moment, a fifth of them forged."""
    forged = 0
    for number in range(100):
        forged += number % 5 == 0
        queue.webhook(delivery(), "forged" if number % 5 == 0 else None)
    assert 10 == queue.deliver(function)
    assert (10, forged, 0) == (function.fleet.made, len(function.dropped()), queue.count())


def test_a_batch_of_ten_thousand_is_one_pass(function: Function) -> None:
    """The largest that a mapping may be set to, within a second."""
    body = delivery()
    said = {"signature": signed(body), "event": "workflow_job"}
    attributes = {name: {"stringValue": value} for name, value in said.items()}
    records = [{"messageId": str(n), "body": body, "messageAttributes": attributes} for n in range(10_000)]
    began = time.process_time()
    assert {"batchItemFailures": []} == function({"Records": records})
    assert (1, True) == (function.fleet.made, time.process_time() - began < 3)
    function.fleet.then = failing(LIMITED)
    assert 10_000 == len(function({"Records": records})["batchItemFailures"])


def test_leftovers_are_looked_for_now_and_then(function: Function) -> None:
    """By the first pass of a process, which may be the only one, and by each twentieth."""
    for _ in range(41):
        function({})
    assert (41, 3) == (function.fleet.made, function.fleet.tidied)


# --- the deadline -----------------------------------------------------------------------------------------------------


def test_a_pass_is_ended_before_lambda_ends_it(queue: Queue, function: Function) -> None:
    """The hints are reported, the journal is written, the log says so; and the next pass is a whole one."""
    queue.webhook(delivery())
    function.left = LEAST_SECONDS
    waiting = threading.Event()
    seconds = itertools.count()

    def endless() -> None:
        while next(seconds) < 100:
            with suppress(Exception):  # what a library may do with whatever it meets
                waiting.wait(0.05 if function.fleet.made > 1 else 30)
            if function.fleet.made > 1:
                return

    function.fleet.then = endless
    began = time.monotonic()
    assert 2 == queue.deliver(function)
    assert LEAST_SECONDS - RESERVE_SECONDS <= time.monotonic() - began < LEAST_SECONDS
    assert (2, 2, 0) == (function.fleet.made, function.journal.flushes, queue.count())
    (event,) = function.events.of(ActionFailed)
    assert "were not enough" in event.error.message


def test_no_pass_begins_when_there_is_no_time_for_it(queue: Queue, function: Function) -> None:
    """The hints come again."""
    queue.webhook(delivery())
    function.left = LEAST_SECONDS - 1
    queue.deliver(function, most=1)
    assert (0, 1) == (function.fleet.made, queue.count())


def test_a_deadline_that_is_kept_never_rings() -> None:
    """Nor does one in a thread, where no signal can be had."""
    with Deadline(0.05):
        pass
    done = []

    def work() -> None:
        with Deadline(0.001):
            time.sleep(0.01)
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=30)
    time.sleep(0.06)
    assert [True] == done
    with pytest.raises(OutOfTime), Deadline(0.01):
        threading.Event().wait(10)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ssm(world: SandboxEc2, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
    import boto3

    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    make: Any = boto3.client
    return make("ssm")


def test_parameters_are_settings(ssm: Any) -> None:  # noqa: ANN401 - as above
    """Section and key follow the path; a variable of the process wins; other paths are not read."""
    path = f"/{next(NAMES)}/controller"
    for key, value in {"github/token": "from-ssm", "serve/webhook_secrets": SECRET, "aws/owner": "ssm"}.items():
        ssm.put_parameter(Name=f"{path}/{key}", Value=value, Type="SecureString")
    ssm.put_parameter(Name=f"{path}-other/github/token", Value="not mine", Type="SecureString")
    given = {"RUNNERKIT_PARAMETERS": f"{path}/", "RUNNERKIT_AWS__OWNER": "variable", "HOME": "/x"}
    expected = {
        "RUNNERKIT_GITHUB__TOKEN": "from-ssm",
        "RUNNERKIT_SERVE__WEBHOOK_SECRETS": SECRET,
        "RUNNERKIT_AWS__OWNER": "variable",
        "HOME": "/x",
    }
    assert expected == with_parameters(given)
    assert {"HOME": "/x"} == with_parameters({"HOME": "/x"})


def test_a_parameter_that_names_no_setting_is_refused(ssm: Any) -> None:  # noqa: ANN401 - as above
    """With its name, and without its value."""
    path = f"/{next(NAMES)}"
    ssm.put_parameter(Name=f"{path}/GitHub Token".replace(" ", "."), Value="hidden", Type="String")
    with pytest.raises(ConfigError, match=r"GitHub\.Token names no setting") as caught:
        with_parameters({"RUNNERKIT_PARAMETERS": path})
    assert "hidden" not in str(caught.value)


def test_parameters_that_cannot_be_had_are_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(CloudUnavailable, match="below /x cannot be read"):
        with_parameters({"RUNNERKIT_PARAMETERS": "/x"})


def test_without_a_webhook_secret_nothing_starts(tmp_path: Path) -> None:
    """A function that believes everybody, or nobody, is worse than one that says what is missing."""
    with pytest.raises(ConfigError, match="no webhook secret") as caught:
        controller_of({"RUNNERKIT_GITHUB__REPOSITORIES": "acme/widgets", "LAMBDA_TASK_ROOT": str(tmp_path)})
    assert "serve/webhook_secrets" in caught.value.hint
