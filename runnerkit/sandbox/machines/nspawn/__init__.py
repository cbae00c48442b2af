"""Machines in systemd-nspawn: a real Debian with its own systemd, cloud-init, sshd and network for each instance."""

from runnerkit.sandbox.machines.nspawn.machines import NspawnMachines
from runnerkit.sandbox.machines.nspawn.needs import missing, prepare

__all__ = ["NspawnMachines", "missing", "prepare"]
