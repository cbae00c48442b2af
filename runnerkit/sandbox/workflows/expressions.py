"""GitHub's expression language: the way in.

``parse`` reads an expression, ``evaluate`` the templates in a tree of values, ``substitute`` does so partially.
"""

from runnerkit.sandbox.workflows.errors import ExpressionError
from runnerkit.sandbox.workflows.evaluator import Scope, evaluate_node
from runnerkit.sandbox.workflows.parser import parse
from runnerkit.sandbox.workflows.substitution import substitute, substitute_condition, substitute_typed
from runnerkit.sandbox.workflows.templates import condition_of, evaluate
from runnerkit.sandbox.workflows.values import text, truth

__all__ = [
    "ExpressionError",
    "Scope",
    "condition_of",
    "evaluate",
    "evaluate_node",
    "parse",
    "substitute",
    "substitute_condition",
    "substitute_typed",
    "text",
    "truth",
]
