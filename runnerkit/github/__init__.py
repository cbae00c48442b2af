"""GitHub: the adapter behind the ports Forge, Reports and Hooks, on PyGithub's requester.

``forge``, ``reports`` and ``hooks`` are what others use. Below them ``runners``, ``runs`` (with ``active``), ``facts``
and ``level`` know the endpoints, ``shared`` lets one reading answer for many, ``client`` sends and pages, ``auth``
signs, ``budget`` counts, ``answers`` turns refusals into errors, ``wire`` carries, ``views`` reads JSON.
"""

from runnerkit.github.budget import Budget
from runnerkit.github.forge import GitHubForge
from runnerkit.github.hooks import GitHubHooks
from runnerkit.github.reports import GitHubReports
from runnerkit.history import Run

__all__ = ["Budget", "GitHubForge", "GitHubHooks", "GitHubReports", "Run"]
