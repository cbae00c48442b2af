"""A faithful local EC2: moto's server behind a layer that adds what moto lacks and corrects what it gets wrong.

What is corrected, what is not, and how to use it from any project is told in ``docs/sandbox.md``.
"""

from runnerkit.sandbox.ec2.calls import Call, CallLog
from runnerkit.sandbox.ec2.faults import Hold
from runnerkit.sandbox.ec2.model import InstanceView, MachineEvent, Notice
from runnerkit.sandbox.ec2.stage import Stage, connect
from runnerkit.sandbox.ec2.world import SandboxEc2

__all__ = ["Call", "CallLog", "Hold", "InstanceView", "MachineEvent", "Notice", "SandboxEc2", "Stage", "connect"]
