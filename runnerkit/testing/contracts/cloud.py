"""The contract of the port :class:`runnerkit.ports.Cloud`."""

from __future__ import annotations

from runnerkit.testing.contracts.bursts import BurstContract
from runnerkit.testing.contracts.instances import InstanceContract
from runnerkit.testing.contracts.launches import LaunchContract
from runnerkit.testing.contracts.market import MarketContract


class CloudContract(LaunchContract, BurstContract, InstanceContract, MarketContract):
    """Everything that runnerkit's core relies on in a cloud.

    Inherit it in a test class and give that a fixture ``bench``, a :class:`runnerkit.testing.contracts.CloudBench`::

        class TestMyCloud(CloudContract):
            @pytest.fixture
            def bench(self) -> MyBench:
                return MyBench()
    """
