"""One batch of messages, one pass: what Lambda's event source mapping calls, without Lambda."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from runnerkit.aws.deadline import Deadline, OutOfTime
from runnerkit.aws.messages import Meaning, Message, event, message_id, webhook
from runnerkit.errors import RunnerkitError
from runnerkit.events import ActionFailed, MessageDropped
from runnerkit.system import SilentEvents
from runnerkit.web.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runnerkit.fleet import Fleet
    from runnerkit.ports import Clock, Events, Journal

# A pass that began later could not even list the machines.
LEAST_SECONDS = 20.0
# What is left at the end for requests under way to come back, and for the journal.
RESERVE_SECONDS = 15.0
TIDY_EVERY = 20


class Controller:
    """Turns batches of messages into passes. Made once for each process, used by one thread.

    Args:
        fleet: Whose passes are made.
        journal: Written down after each pass.
        secrets: Those that GitHub may have signed with.
        clock: Tells the time to the receiver.
        events: Hears of messages that are thrown away, and of passes that fail.
    """

    def __init__(self, fleet: Fleet, journal: Journal, *, secrets: Sequence[str], clock: Clock, events: Events) -> None:
        self._fleet = fleet
        self._journal = journal
        self._events = events
        self._passes = 0
        # Each message that is thrown away is an event of ours, with the message's id.
        self._receiver = Receiver(secrets, hint=fleet.hint, clock=clock, events=SilentEvents())

    def handle(self, batch: Mapping[str, Any], seconds_left: Callable[[], float]) -> dict[str, Any]:
        """Make one pass for a batch, or none when nothing in it asks for one.

        Args:
            batch: As Lambda hands over a batch of SQS (``Records``); anything else is taken for one hint.
            seconds_left: How long this process may still work.

        Returns:
            ``batchItemFailures`` with the messages that SQS shall deliver again: those whose pass could not be made
            now, and never one that is thrown away.
        """
        messages = self._read(batch)
        hints = [message.id for message in messages if message.meaning is Meaning.HINT]
        for message in messages:
            if message.meaning is Meaning.POISON:
                self._events.emit(MessageDropped(message.id, message.why))
        done = not hints or self._pass(seconds_left)
        return {"batchItemFailures": [] if done else [{"itemIdentifier": id_} for id_ in dict.fromkeys(hints) if id_]}

    def _read(self, batch: Mapping[str, Any]) -> list[Message]:
        records = batch.get("Records")
        if not isinstance(records, list):
            return [Message("", Meaning.HINT, "called directly")]
        return [self._judge(record) for record in _tables(records)]

    def _judge(self, record: Mapping[str, Any]) -> Message:
        call = webhook(record)
        if call is None:
            return event(record)
        answer = self._receiver.receive(call)
        meanings = {"hint": Meaning.HINT, "failed": Meaning.HINT, "ignored": Meaning.NOTHING, "ping": Meaning.NOTHING}
        return Message(message_id(record), meanings.get(answer.outcome, Meaning.POISON), answer.why)

    def _pass(self, seconds_left: Callable[[], float]) -> bool:
        """Whether a pass was made, or would fail again in the same way."""
        left = seconds_left()
        if left < LEAST_SECONDS:
            return self._failed(OutOfTime(f"{left:.0f} s are left, too few for a pass"))
        try:
            with Deadline(left - RESERVE_SECONDS):
                self._fleet.once(tidy=self._passes % TIDY_EVERY == 0)
        except RunnerkitError as error:
            self._failed(error)
            return not error.retryable
        except OutOfTime as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - the queue brings the hints back, and the alarm rings if that lasts
            return self._failed(error)
        finally:
            self._passes += 1
            self._journal.flush()
        return True

    def _failed(self, error: BaseException) -> bool:
        if isinstance(error, RunnerkitError):
            told = error
        elif isinstance(error, OutOfTime):
            told = RunnerkitError(f"the pass was not finished: {error}", hint="the next one goes on where it ended")
        else:
            told = RunnerkitError(f"the pass failed: {error!r}", hint="".join(traceback.format_exception(error)[-3:]))
        self._events.emit(ActionFailed("pass", "", told))
        return False


def _tables(records: Iterable[Any]) -> list[Mapping[str, Any]]:
    return [record if isinstance(record, dict) else {} for record in records]
