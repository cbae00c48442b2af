"""Actions that policies allow and that nobody calls: AWS asks for them on behalf of a call of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPENDENT: Mapping[str, str] = {
    "batch:TagResource": "asked for when something of Batch is made or submitted with tags",
    "budgets:TagResource": "asked for by CreateBudget with tags",
    "ec2:RunInstances": "asked for by CreateFleet of type instant, which starts the instances as the caller",
    "iam:CreateServiceLinkedRole": "asked for by CreateFleet when the account has used no spot instance yet",
    "iam:PassRole": "asked for by whatever hands a role to a machine, a job or a service",
    "iam:TagInstanceProfile": "asked for by CreateInstanceProfile with tags",
    "iam:TagOpenIDConnectProvider": "asked for by CreateOpenIDConnectProvider with tags",
    "iam:TagRole": "asked for by CreateRole with tags",
    "kms:Decrypt": "asked for by Parameter Store when parameters are encrypted with a key of your own",
    "lambda:ListTags": "asked for by GetFunction, which tells a function's tags only then",
    "logs:CreateLogStream": "called by AWS Lambda as the function",
    "logs:PutLogEvents": "called by AWS Lambda as the function",
    "s3:AbortMultipartUpload": "called by boto3 alone, when the upload of a large file fails half-way",
    "sqs:DeleteMessage": "called by AWS Lambda as the function, for the messages of a pass that succeeded",
    "sqs:GetQueueAttributes": "called by AWS Lambda as the function",
    "sqs:ReceiveMessage": "called by AWS Lambda as the function",
    "ssm:AddTagsToResource": "asked for by PutParameter with tags",
    "ssm:StartSession": "called by the AWS CLI, which `runnerkit connect` starts",
    "ssm:TerminateSession": "called by the AWS CLI at the end of a session",
}
"""Action -> why it is there.

Source: the dependent actions of AWS's service authorization reference, and the guides of EC2 Fleet, Lambda and Session
Manager. That AWS asks for each of them cannot be shown without AWS.
"""
