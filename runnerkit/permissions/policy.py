"""From uses and a place to statements, and to an IAM policy document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runnerkit.permissions.batch import batch
from runnerkit.permissions.doctor import doctor
from runnerkit.permissions.images import bake
from runnerkit.permissions.lambdas import function
from runnerkit.permissions.runners import burst, connect, machine, runners
from runnerkit.permissions.setting_up import setting_up
from runnerkit.permissions.stores import job, journal, notify
from runnerkit.permissions.words import Use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from runnerkit.permissions.words import Place, Statement

TABLES: Mapping[Use, Callable[[Place], tuple[Statement, ...]]] = {
    Use.RUNNERS: runners,
    Use.BURST: burst,
    Use.CONNECT: connect,
    Use.BAKE: bake,
    Use.JOURNAL: journal,
    Use.DOCTOR: doctor,
    Use.BATCH: batch,
    Use.JOB: job,
    Use.NOTIFY: notify,
    Use.MACHINE: machine,
    Use.LAMBDA: function,
    Use.SETUP: setting_up,
}
# A managed policy's size without white space, in characters.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LARGEST = 6_144


def statements(uses: Iterable[Use], place: Place) -> tuple[Statement, ...]:
    """What these uses need in a place, in the order of the uses; what several need is there once.

    Statements of one name that are limited alike become one with the actions of both.
    """
    merged: dict[tuple[object, ...], Statement] = {}
    for use in dict.fromkeys(uses):
        for each in TABLES[use](place):
            key = (each.sid, each.resources, _frozen(each))
            known = merged.get(key)
            merged[key] = _joined(known, each) if known else each
    return tuple(_named_apart(merged.values()))


def actions(uses: Iterable[Use], place: Place) -> frozenset[str]:
    """Every action that the statements name, as ``service:Action``."""
    return frozenset(action for each in statements(uses, place) for action in each.actions)


def policy(uses: Iterable[Use], place: Place) -> dict[str, Any]:
    """An IAM policy document (version 2012-10-17) of the statements.

    IAM takes 6,144 characters without white space for a managed policy (:data:`LARGEST`): make several of a longer one.
    """
    return {"Version": "2012-10-17", "Statement": [_as_json(each) for each in statements(uses, place)]}


def _as_json(statement: Statement) -> dict[str, Any]:
    conditions = {
        test: {key: _short(values) for key, values in keys.items()} for test, keys in statement.conditions.items()
    }
    allowed = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Action": _short(statement.actions),
        "Resource": _short(statement.resources),
    }
    return {**allowed, "Condition": conditions} if conditions else allowed


def _short(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _frozen(statement: Statement) -> tuple[object, ...]:
    return tuple((test, tuple(sorted(keys.items()))) for test, keys in sorted(statement.conditions.items()))


def _joined(one: Statement, other: Statement) -> Statement:
    why = one.why if one.why == other.why else f"{one.why}; {other.why}"
    return replace(one, actions=tuple(sorted({*one.actions, *other.actions})), why=why)


def _named_apart(merged: Iterable[Statement]) -> Iterable[Statement]:
    """Names are unique in a policy: a second one of a name gets a number."""
    seen: dict[str, int] = {}
    for each in merged:
        seen[each.sid] = seen.get(each.sid, 0) + 1
        yield each if seen[each.sid] == 1 else replace(each, sid=f"{each.sid}{seen[each.sid]}")
