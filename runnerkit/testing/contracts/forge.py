"""The contract of the port :class:`runnerkit.ports.Forge`."""

from __future__ import annotations

from runnerkit.testing.contracts.facts import FactContract
from runnerkit.testing.contracts.runners import RunnerContract
from runnerkit.testing.contracts.runs import RunContract


class ForgeContract(RunnerContract, RunContract, FactContract):
    """Everything that runnerkit's core relies on in a forge.

    Inherit it in a test class and give that a fixture ``bench``, a :class:`runnerkit.testing.contracts.ForgeBench`.
    """
