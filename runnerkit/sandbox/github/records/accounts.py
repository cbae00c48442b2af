"""Who there is and what they own: accounts, repositories, runner groups, Apps."""

import secrets as randomness
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Account:
    """A user, an organisation or an App's bot."""

    id: int
    login: str
    kind: str
    created_at: datetime


@dataclass(slots=True)
class Repository:
    """A repository; ``parent`` is the full name of what it was forked from."""

    id: int
    owner: str
    name: str
    private: bool
    created_at: datetime
    default_branch: str = "main"
    parent: str | None = None
    archived: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    # The private half of the key that values of secrets are sealed for.
    sealing: bytes = field(default_factory=lambda: randomness.token_bytes(32), repr=False)

    @property
    def full_name(self) -> str:
        """Owner and name, as in ``acme/train``."""
        return f"{self.owner}/{self.name}"


@dataclass(slots=True)
class Group:
    """A runner group of an organisation; ``visibility`` is all, private or selected."""

    id: int
    org: str
    name: str
    visibility: str = "all"
    allows_public: bool = False
    repositories: set[str] = field(default_factory=set)


@dataclass(slots=True)
class App:
    """A GitHub App; ``public_key`` is the PEM text its JWTs are verified with."""

    id: int
    client_id: str
    slug: str
    owner: str
    permissions: dict[str, str]
    created_at: datetime
    public_key: str | None = None
    name: str = ""
    events: tuple[str, ...] = ("workflow_job", "workflow_run")


@dataclass(slots=True)
class Conversion:
    """What a new App's maker gets for the code, once: its id, the key and the secrets."""

    app_id: int
    pem: str
    webhook_secret: str | None
    client_secret: str
    expires_at: datetime


@dataclass(slots=True)
class Installation:
    """An App on an account; ``repositories`` is None where all were chosen."""

    id: int
    app_id: int
    account: str
    permissions: dict[str, str]
    repositories: frozenset[str] | None
    created_at: datetime
