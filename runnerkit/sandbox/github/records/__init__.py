"""What the local GitHub remembers: plain records without rules, HTTP or JSON."""

from runnerkit.sandbox.github.records.accounts import Account, App, Conversion, Group, Installation, Repository
from runnerkit.sandbox.github.records.changes import Check, Comment, Issue, Pull, Status
from runnerkit.sandbox.github.records.happenings import Delivery, Happening, Hook
from runnerkit.sandbox.github.records.work import (
    Approval,
    Artifact,
    Attempt,
    Environment,
    Job,
    JobRules,
    Library,
    Run,
    Runner,
)

__all__ = [
    "Account",
    "App",
    "Approval",
    "Artifact",
    "Attempt",
    "Check",
    "Comment",
    "Conversion",
    "Delivery",
    "Environment",
    "Group",
    "Happening",
    "Hook",
    "Installation",
    "Issue",
    "Job",
    "JobRules",
    "Library",
    "Pull",
    "Repository",
    "Run",
    "Runner",
    "Status",
]
