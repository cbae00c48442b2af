"""Budgets and whom they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runnerkit.accounts.handler import Ways, differs, listed, mapped
from runnerkit.accounts.trouble import unless_absent
from runnerkit.setup.differing import alike
from runnerkit.setup.table import amount
from runnerkit.setup.words import Found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runnerkit.setup.words import Resource

_KEPT = ("BudgetName", "BudgetType", "TimeUnit", "CostFilters")
_ALARM = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")


class Budgets:
    """AWS Budgets, which has no regions."""

    service = "budgets"

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    @property
    def _budgets(self) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        return self._ways.of("budgets")

    def _named(self, resource: Resource) -> dict[str, str]:
        return {"AccountId": self._ways.account, "BudgetName": resource.name}

    def _arn(self, resource: Resource) -> str:
        partition = self._budgets.meta.partition
        return f"arn:{partition}:budgets::{self._ways.account}:budget/{resource.name}"

    def look(self, resource: Resource) -> Found | None:
        """DescribeBudget, its alarms, whom they tell, and its tags."""
        with unless_absent:
            budget = self._budgets.describe_budget(**self._named(resource))["Budget"]
            limit = budget["BudgetLimit"]
            told = {key: budget.get(key) for key in _KEPT}
            told["BudgetLimit"] = {"Amount": amount(limit["Amount"]), "Unit": limit["Unit"]}
            tags = self._budgets.list_tags_for_resource(ResourceARN=self._arn(resource))["ResourceTags"]
            alarms = self._alarms(resource)
            return Found({"Budget": told, "NotificationsWithSubscribers": alarms}, mapped(tags))
        return None

    def make(self, resource: Resource) -> None:
        """CreateBudget, with alarms and tags in one call."""
        told = resource.properties
        self._budgets.create_budget(
            AccountId=self._ways.account,
            Budget=told["Budget"],
            NotificationsWithSubscribers=told["NotificationsWithSubscribers"],
            ResourceTags=listed(resource.tags),
        )

    def mend(self, resource: Resource, found: Found) -> None:
        """UpdateBudget, and alarms that are missing, too many, or tell somebody else."""
        told = resource.properties
        if differs(resource, found, "Budget"):
            self._budgets.update_budget(AccountId=self._ways.account, NewBudget=told["Budget"])
        wanted, there = told["NotificationsWithSubscribers"], found.properties["NotificationsWithSubscribers"]
        for each in _not_in(there, wanted):
            with unless_absent:
                self._budgets.delete_notification(**self._named(resource), Notification=each["Notification"])
        for each in _not_in(wanted, there):
            self._budgets.create_notification(**self._named(resource), **each)
        if dict(resource.tags).items() - dict(found.tags).items():
            self._budgets.tag_resource(ResourceARN=self._arn(resource), ResourceTags=listed(resource.tags))

    def remove(self, resource: Resource, found: Found) -> None:
        """DeleteBudget, with its alarms."""
        del found
        with unless_absent:
            self._budgets.delete_budget(**self._named(resource))

    def users(self, resource: Resource, found: Found, ours: Sequence[str]) -> list[str]:
        """Nobody."""
        del resource, found, ours
        return []

    def _alarms(self, resource: Resource) -> list[dict[str, Any]]:
        named = self._named(resource)
        found = self._budgets.describe_notifications_for_budget(**named).get("Notifications") or []
        alarms = [{key: each.get(key) for key in _ALARM} for each in found]
        return [
            {
                "Notification": each,
                "Subscribers": self._budgets.describe_subscribers_for_notification(**named, Notification=each)[
                    "Subscribers"
                ],
            }
            for each in alarms
        ]


def _not_in(these: Sequence[Mapping[str, Any]], those: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    known = [alike(dict(each)) for each in those]
    return [each for each in these if alike(dict(each)) not in known]
