"""What runnerkit must be allowed on AWS, against the wire and against AWS's own reference."""
