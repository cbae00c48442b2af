"""GitHub: the adapter behind the ports Forge and Reports, on PyGithub's requester.

``forge`` and ``reports`` are what others use. Below them ``runners``, ``runs`` and ``level`` know the endpoints,
``client`` sends and pages, ``auth`` signs, ``budget`` counts, ``answers`` turns refusals into errors, ``wire`` carries,
``views`` reads JSON.
"""

from runnerkit.github.budget import Budget
from runnerkit.github.forge import GitHubForge
from runnerkit.github.reports import GitHubReports
from runnerkit.history import Run

__all__ = ["Budget", "GitHubForge", "GitHubReports", "Run"]
