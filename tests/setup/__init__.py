"""Setting an AWS account up, over the local AWS."""
