"""A job's identity: tokens that GitHub signs for whoever the job wants to convince.

https://docs.github.com/en/actions/reference/security/oidc
"""

import time
import uuid
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runnerkit.sandbox.github.engine.contexts import from_fork, github_context
from runnerkit.sandbox.github.records import Job, Run
from runnerkit.sandbox.github.state import State

ISSUER = "https://token.actions.githubusercontent.com"
LIFE = 300  # seconds
# What of the `github` context a token repeats, under the same names.
REPEATED = (
    *("actor", "actor_id", "base_ref", "event_name", "head_ref", "ref", "ref_type", "repository", "repository_id"),
    *("repository_owner", "repository_owner_id", "repository_visibility", "run_attempt", "run_id", "run_number"),
    *("sha", "workflow", "workflow_ref", "workflow_sha"),
)


class Identities:
    """Signs tokens; the key is made when it is first needed."""

    def __init__(self, state: State) -> None:
        self._state = state

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def public_key(self) -> str:
        """What verifies the tokens, as PEM."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def token(self, run: Run, job: Job, audience: str, *, life: int = LIFE) -> str:
        """Sign a token for an audience, by default the repository's owner as GitHub has it."""
        now = int(time.time())
        claims = self._claims(run, job) | {
            "aud": audience or f"{self._state.web}/{run.repository.partition('/')[0]}",
            "exp": now + life,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "nbf": now - 600,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "runnerkit-sandbox"})

    def _claims(self, run: Run, job: Job) -> dict[str, Any]:
        known = github_context(self._state, run)
        said = {name: known[name] for name in REPEATED}
        said |= {"ref_protected": "false", "sub": subject(run, job)}
        of_job = job.payload.get("job") or {}
        said |= {f"job_{name}": of_job.get(name, known[name]) for name in ("workflow_ref", "workflow_sha")}
        said |= {"runner_environment": "github-hosted" if job.hosted else "self-hosted"}
        return said | ({"environment": job.environment} if job.environment else {})


def subject(run: Run, job: Job) -> str:
    """Whom the token speaks of: the environment if there is one, a pull request, or a ref."""
    if job.environment:
        return f"repo:{run.repository}:environment:{job.environment.replace(':', '%3A')}"
    if run.event == "pull_request":
        return f"repo:{run.repository}:pull_request"
    return f"repo:{run.repository}:ref:{run.ref or f'refs/heads/{run.head_branch}'}"


def may_ask(run: Run, job: Job) -> bool:
    """Whether the job holds ``id-token: write``; a fork's never does."""
    said = job.payload.get("permissions")
    level = "write" if said == "write-all" else said.get("id-token") if isinstance(said, dict) else None
    return level == "write" and not from_fork(run)
