"""The controller as a Lambda function behind a queue. The function's handler is ``runnerkit.aws.handler.handler``."""
