"""What runnerkit must be allowed on AWS: which actions, on what, under which conditions. Pure; only this knows it.

`setup aws` makes policies of it, `doctor` asks for each action, the page about permissions is written from it, and
tests hold it against what was called at the wire.
"""

from runnerkit.permissions.dependent import DEPENDENT
from runnerkit.permissions.policy import LARGEST, actions, policy, statements
from runnerkit.permissions.words import BESIDE, Place, Statement, Use

__all__ = ["BESIDE", "DEPENDENT", "LARGEST", "Place", "Statement", "Use", "actions", "policy", "statements"]
