"""The adapter that sets an AWS account up: the port :class:`runnerkit.setup.ports.Account` on boto3."""

from runnerkit.accounts.account import AwsAccount

__all__ = ["AwsAccount"]
