"""Client tokens: the same token with the same parameters is the same call, whatever came of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runnerkit.sandbox.ec2.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerkit.sandbox.ec2.model import Ask, Params

LONGEST = 64


@dataclass(slots=True)
class _Spent:
    digest: str
    result: Params | None


class ClientTokens:
    """The tokens an account has used, per region and action."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str, str], _Spent] = {}

    def once(self, ask: Ask, effect: Callable[[], Params]) -> Params:
        """Carry out a call, or repeat the answer that its token got before, even an empty one.

        Raises:
            AwsError: IdempotentParameterMismatch; the token was used with other parameters.
        """
        token = str(ask.params.get("ClientToken", ""))
        if not token or ask.params.get("DryRun"):
            return effect()
        if len(token) > LONGEST or not token.isascii():
            raise AwsError("InvalidParameterValue", f"ClientToken must have at most {LONGEST} ASCII characters.")
        key, digest = (ask.region, ask.action, token), _digest(ask.params)
        spent = self._spent.get(key)
        if spent is not None and spent.digest != digest:
            raise AwsError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        if spent is not None and spent.result is not None:
            return spent.result
        return self._first(key, digest, effect)

    def clear(self) -> None:
        """Forget every token."""
        self._spent.clear()

    def _first(self, key: tuple[str, str, str], digest: str, effect: Callable[[], Params]) -> Params:
        try:
            result = effect()
        except AwsError as error:
            if error.burns_token:
                self._spent[key] = _Spent(digest, None)
            raise
        self._spent[key] = _Spent(digest, result)
        return result


def _digest(params: Params) -> str:
    said = {key: value for key, value in params.items() if key != "ClientToken"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
