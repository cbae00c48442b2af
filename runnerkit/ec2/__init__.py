"""EC2 as the core's :class:`runnerkit.ports.Cloud`. Importing this package imports boto3."""

from runnerkit.ec2.cloud import Ec2Cloud
from runnerkit.ec2.prices import price_date

__all__ = ["Ec2Cloud", "price_date"]
