"""AWS Budgets: what moto's lacks of it, over what moto keeps: tags, changes, and who is told."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from runnerkit.sandbox.ec2.errors import AwsError
from runnerkit.sandbox.ec2.model import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runnerkit.sandbox.ec2.core import Core

SERVICE = "budgets"
_TAGS = "_runnerkit_tags"


def answer(core: Core, action: str, body: bytes, forward: Callable[[], Answer]) -> Answer:
    """The answer to a request.

    Raises:
        AwsError: There is no such budget or alarm.
    """
    known = _ANSWERS.get(action)
    with core.lock:
        if known is not None:
            return Answer(json.dumps(known(_Store(core.account), json.loads(body))).encode())
        answered = forward()
        if action == "CreateBudget" and answered.status == HTTPStatus.OK:
            _keep_tags(_Store(core.account), json.loads(body))
    return answered


class _Store:
    def __init__(self, account: str) -> None:
        from moto.budgets.models import budgets_backends

        self._budgets: dict[str, Any] = budgets_backends[account]["aws"].budgets[account]

    def budget(self, name: str) -> Any:  # noqa: ANN401 - moto's
        """One of moto's budgets."""
        found = self._budgets.get(name)
        if found is None:
            raise AwsError("NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")
        return found


def _keep_tags(store: _Store, asked: Mapping[str, Any]) -> None:
    store.budget(asked["Budget"]["BudgetName"]).__dict__[_TAGS] = list(asked.get("ResourceTags", []))


def _update(store: _Store, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    new = asked["NewBudget"]
    budget = store.budget(new["BudgetName"]).budget
    budget.update(new)
    return {}


def _subscribers(store: _Store, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = asked["Notification"]
    for alarm in store.budget(asked["BudgetName"]).notifications:
        if all(alarm.details.get(key) == value for key, value in wanted.items()):
            return {"Subscribers": alarm.subscribers}
    raise AwsError("NotFoundException", "Unable to get subscribers - the notification doesn't exist.")


def _tags(store: _Store, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    budget = store.budget(asked["ResourceARN"].rpartition("/")[2])
    return {"ResourceTags": budget.__dict__.get(_TAGS, [])}


def _tag(store: _Store, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    budget = store.budget(asked["ResourceARN"].rpartition("/")[2])
    new = {each["Key"]: each for each in (*budget.__dict__.get(_TAGS, []), *asked["ResourceTags"])}
    budget.__dict__[_TAGS] = list(new.values())
    return {}


_ANSWERS: Mapping[str, Callable[[_Store, Mapping[str, Any]], Mapping[str, Any]]] = {
    "UpdateBudget": _update,
    "DescribeSubscribersForNotification": _subscribers,
    "ListTagsForResource": _tags,
    "TagResource": _tag,
}
