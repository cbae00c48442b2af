"""The tree of errors: stable codes, documented ends, and JSON for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from inspect import signature
from typing import TYPE_CHECKING

import pytest

from runnerkit import errors
from runnerkit.baking import errors as baking_errors
from runnerkit.errors import (
    EXIT_CODES,
    CloudDenied,
    CloudError,
    CloudUnavailable,
    ConfigError,
    ForgeError,
    LabelError,
    NoCapacity,
    RateLimited,
    RunnerBusy,
    RunnerkitError,
)
from runnerkit.model import Breadth, Market, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT = datetime(2026, 1, 1, tzinfo=UTC)
REFUSAL = Refusal("X", Breadth.POOL, "g5.xlarge", "eu-west-1", "eu-west-1a", Market.SPOT, AT, "full")
MORE: dict[str, object] = {"reset": AT, "refusals": [REFUSAL], "aws_code": "Throttling", "key": "gpu"}


def tree(root: type[RunnerkitError] = RunnerkitError) -> Iterator[type[RunnerkitError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith((f"{errors.__name__}.", baking_errors.__name__)):
            yield from tree(child)


KINDS = list(dict.fromkeys(tree()))


def an_error(kind: type[RunnerkitError]) -> RunnerkitError:
    """One of a kind, with everything that it takes."""
    extra = {name: value for name, value in MORE.items() if name in signature(kind.__init__).parameters}
    build: Callable[..., RunnerkitError] = kind
    return build("what happened", hint="what to do", **extra)


def test_no_two_errors_share_a_code() -> None:
    """Programs tell errors apart by their codes."""
    codes = [kind.code for kind in KINDS]
    assert sorted(set(codes)) == sorted(codes)
    assert all("code" in vars(kind) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_ends_with_a_documented_code(kind: type[RunnerkitError]) -> None:
    """The exit code stands in the table and is no success; of the shell's own ends only the interruption is used."""
    assert kind.exit_code in EXIT_CODES
    assert 0 < kind.exit_code < 126 or kind.exit_code == 130


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_json(kind: type[RunnerkitError]) -> None:
    """As a plain document that reads back, with what happened and what to do."""
    told = an_error(kind).as_dict()
    assert told == json.loads(json.dumps(told))
    assert {"code": kind.code, "message": "what happened", "hint": "what to do", "retryable": kind.retryable} == {
        key: told[key] for key in ("code", "message", "hint", "retryable")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_documented_in_the_tree(kind: type[RunnerkitError]) -> None:
    """Its module's drawing shows every class, and each has a docstring of its own."""
    drawn = baking_errors if kind.__module__ == baking_errors.__name__ else errors
    assert kind.__name__ in (drawn.__doc__ or "")
    assert kind.__doc__ != (kind.__base__ and kind.__base__.__doc__)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_reads_as_its_message(kind: type[RunnerkitError]) -> None:
    """str() is the sentence for people, without the hint."""
    error = an_error(kind)
    assert ("what happened", "what happened", "what to do") == (str(error), error.message, error.hint)


def test_errors_carry_what_callers_need() -> None:
    """AWS's code, the refusals, the reset and the offending key travel with them."""
    refused = NoCapacity("full", refusals=iter([REFUSAL]))  # type: ignore[arg-type]  # any iterable will do
    assert ((REFUSAL,), [REFUSAL.as_dict()]) == (refused.refusals, refused.as_dict()["refusals"])
    limited = RateLimited("stop", reset=AT)
    assert (AT, "2026-01-01T00:00:00+00:00") == (limited.reset, limited.as_dict()["reset"])
    assert "Throttling" == CloudError("slow", aws_code="Throttling").as_dict()["aws_code"]
    assert "gpu" == LabelError("no", key="gpu").key


def test_families_are_caught_by_their_base() -> None:
    """A caller that knows only the families misses nothing."""
    assert issubclass(LabelError, ConfigError)
    assert {CloudError, ForgeError, ConfigError} <= set(RunnerkitError.__subclasses__())
    assert not issubclass(CloudUnavailable, ForgeError)


def test_what_passes_by_itself_is_told_apart() -> None:
    """Retryable is what may succeed later without anybody changing anything."""
    assert {"no-capacity", "aws-throttled", "aws-unavailable", "github-unavailable", "rate-limited"} <= {
        kind.code for kind in KINDS if kind.retryable
    }
    assert not CloudDenied.retryable
    assert not ConfigError.retryable
    assert RunnerBusy.retryable
