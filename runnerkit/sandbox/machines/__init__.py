"""What boots when the sandbox's EC2 starts an instance, and what runs the jobs of GitHub's own machines."""

from runnerkit.sandbox.machines.hollow import HollowMachines
from runnerkit.sandbox.machines.hosted import HostedRunners
from runnerkit.sandbox.machines.process import ProcessMachines

__all__ = ["HollowMachines", "HostedRunners", "ProcessMachines"]
