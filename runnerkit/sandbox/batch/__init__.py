"""A local AWS Batch: requests checked by AWS's own description, states that take time, commands that really run."""
