"""What boots when the sandbox's EC2 starts an instance."""

from runnerkit.sandbox.machines.hollow import HollowMachines

__all__ = ["HollowMachines"]
