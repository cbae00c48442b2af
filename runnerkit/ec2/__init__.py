"""EC2 as the core's :class:`runnerkit.ports.Cloud`. Importing this package imports boto3."""

from runnerkit.ec2.baked import Ec2Images
from runnerkit.ec2.builders import Ec2Builders
from runnerkit.ec2.cloud import Ec2Cloud
from runnerkit.ec2.prices import price_date
from runnerkit.ec2.sessions import Ec2Sessions

__all__ = ["Ec2Builders", "Ec2Cloud", "Ec2Images", "Ec2Sessions", "price_date"]
