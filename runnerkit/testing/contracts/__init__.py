"""The contracts of the ports as test suites: inherit one, give it a fixture, and an adapter is held to it.

A suite is a class whose methods are the tests. What it needs to make things happen in the adapter's world it gets from
one fixture, which a Protocol describes: ``bench`` for clouds, forges and reports, ``clock`` and ``journal`` for these.
runnerkit's own fakes and adapters pass the same suites. Importing this package imports pytest.
"""

import pytest

# Assertions show what they compared only when pytest rewrites them, which has to be said before they are imported.
for _suite in (
    "bursts",
    "clock",
    "facts",
    "hooks",
    "images",
    "instances",
    "journal",
    "launches",
    "market",
    "reports",
    "runners",
    "runs",
    "stores",
):
    pytest.register_assert_rewrite(f"{__name__}.{_suite}")

from runnerkit.testing.contracts.benches import CloudBench, ForgeBench, ReportsBench  # noqa: E402 - see above
from runnerkit.testing.contracts.clock import ClockContract  # noqa: E402 - see above
from runnerkit.testing.contracts.cloud import CloudContract  # noqa: E402 - see above
from runnerkit.testing.contracts.forge import ForgeContract  # noqa: E402 - see above
from runnerkit.testing.contracts.hooks import HooksBench, HooksContract  # noqa: E402 - see above
from runnerkit.testing.contracts.images import BakeryBench, BakeryContract  # noqa: E402 - see above
from runnerkit.testing.contracts.journal import JournalContract  # noqa: E402 - see above
from runnerkit.testing.contracts.reports import ReportsContract  # noqa: E402 - see above
from runnerkit.testing.contracts.stores import StoreContract  # noqa: E402 - see above

__all__ = [
    "BakeryBench",
    "BakeryContract",
    "ClockContract",
    "CloudBench",
    "CloudContract",
    "ForgeBench",
    "ForgeContract",
    "HooksBench",
    "HooksContract",
    "JournalContract",
    "ReportsBench",
    "ReportsContract",
    "StoreContract",
]
