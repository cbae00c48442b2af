"""GitHub Actions workflow files: what starts them, and which jobs they make.

Everything here is pure: text and values in, plans out. ``load`` reads a file, ``triggered`` asks whether an event
starts it, ``advance`` plans the jobs that may begin, each flattened into what one runner executes.
"""

from runnerkit.sandbox.workflows.errors import ExpressionError, WorkflowInvalid
from runnerkit.sandbox.workflows.linking import link
from runnerkit.sandbox.workflows.loading import is_workflow, load
from runnerkit.sandbox.workflows.model import Concurrency, Event, Home, JobOutcome, JobPlan, RunContext, Workflow
from runnerkit.sandbox.workflows.planning import advance
from runnerkit.sandbox.workflows.runs import concurrency, dispatch_inputs, run_title
from runnerkit.sandbox.workflows.triggers import triggered

__all__ = [
    "Concurrency",
    "Event",
    "ExpressionError",
    "Home",
    "JobOutcome",
    "JobPlan",
    "RunContext",
    "Workflow",
    "WorkflowInvalid",
    "advance",
    "concurrency",
    "dispatch_inputs",
    "is_workflow",
    "link",
    "load",
    "run_title",
    "triggered",
]
