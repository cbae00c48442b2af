"""What people write about AWS, GitHub, images and the service: ``[aws]``, ``[github]``, ``[ami]`` and ``[serve]``."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Annotated, Literal, NoReturn, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from runnerkit.names import REGION
from runnerkit.wishes import Written

# Lower case, 3 to 63 signs. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
S3_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/+([^/].*?))?/*")
# A secret that can be guessed is none; the text itself must not be in the message.
SHORTEST_SECRET = 12
# GitHub's names; those of managed users carry an underscore. A star stands for all repositories of an owner.
SERVED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?:\*|(?!\.{1,2}$)[A-Za-z0-9._-]{1,100})")
OWNER_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def _is_region(text: str) -> str:
    if not REGION.fullmatch(text):
        raise ValueError("is not a region such as eu-west-1")
    return text


def _is_served(text: str) -> str:
    if not SERVED.fullmatch(text):
        raise ValueError("is not a repository as owner/name, nor owner/* for all of an owner's")
    return text


class ImageSource(Written):
    """Where a named image comes from: exactly one of an id, a name pattern of own images, or a public SSM parameter.

    ``arch`` is x64 or arm64. An image with the tag ``runnerkit:recipe`` is a baked one; others get the runner
    downloaded at boot (``runner_url`` with its SHA-256) and take minutes longer.
    """

    ami: str | None = Field(default=None, pattern=r"^ami-[0-9a-f]{8,17}$")
    name: str | None = None
    ssm: str | None = None
    arch: str = "x64"
    owner: str = "self"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.ami, self.name, self.ssm)) != 1:
            msg = "give exactly one of ami, name, ssm"
            raise ValueError(msg)
        return self


class AwsSettings(Written):
    """Section ``[aws]``. Empty means: what AWS's own configuration says, the default VPC, our own security group.

    ``owner`` is the value of the tag that makes a machine ours: two installations in one account need two owners.
    ``regions`` are tried in this order. ``image`` names the image used when a wish names none. ``secrets`` says how a
    machine gets its JIT configuration: in user data, or through Parameter Store (``ssm``) with ``instance_profile``.
    ``ssm_profiles`` are patterns of profiles that a wish may name and whose role carries our statement, too.
    """

    owner: str = Field(default="runnerkit", pattern=OWNER_PATTERN)
    regions: tuple[Annotated[str, AfterValidator(_is_region)], ...] = ()
    profile: str | None = None
    endpoint_url: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    image: str | None = None
    images: dict[str, ImageSource] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    secrets: Literal["user-data", "ssm"] = "user-data"
    instance_profile: str | None = None
    ssm_profiles: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ssm_has_a_profile(self) -> Self:
        if self.secrets == "ssm" and not (self.instance_profile or self.ssm_profiles):
            msg = 'secrets = "ssm" needs instance_profile: its role lets a machine read its own parameter'
            raise ValueError(msg)
        return self

    def carrier(self, profile: str | None) -> str | None:
        """The profile with which a machine can read its parameter, given the one that its wish names (or None).

        None means that this launch gets its secret in user data: an instance has one profile, and nobody said that the
        role of the wish's carries our statement.
        """
        if self.secrets != "ssm":
            return None
        if profile is None:
            return self.instance_profile
        name = profile.rpartition("/")[2]
        known = (profile, name)
        if self.instance_profile and self.instance_profile.rpartition("/")[2] == name:
            return profile
        matches = any(fnmatchcase(each, pattern) for each in known for pattern in self.ssm_profiles)
        return profile if matches else None


class AmiSettings(Written):
    """Section ``[ami]``: how images are baked. Times are seconds.

    ``ssh_from`` is the network (CIDR) that may reach a builder's ``ssh_port``; not set: this machine's public address.
    ``private`` uses the builder's private address. ``keep`` is how long a builder waits to be resumed after a failed
    step, ``silence`` how long it lives without a word from the baker, ``life`` how long it lives at all, ``poll`` how
    often AWS is asked while something is waited for.
    """

    ssh_from: str | None = None
    ssh_port: int = Field(default=22, ge=1, le=65_535)
    private: bool = False
    reach_within: int = Field(default=900, ge=5, le=3_600)
    image_within: int = Field(default=3_600, ge=5, le=14_400)
    keep: int = Field(default=1_800, ge=60, le=14_400)
    silence: int = Field(default=600, ge=5, le=3_600)
    life: int = Field(default=14_400, ge=60, le=86_400)
    poll: float = Field(default=5.0, gt=0, le=60)


class JournalSettings(Written):
    """Section ``[journal]``: what AWS and GitHub forget (failures, refusals, launches, what machines cost).

    ``where`` is a file or ``s3://BUCKET/PREFIX``; empty: a file in the state folder. ``kept_days`` holds for what cost
    and `why` look back at; breaker and memory need three days.
    """

    where: str = ""
    kept_days: int = Field(default=35, ge=1, le=400)

    @field_validator("where")
    @classmethod
    def _names_a_bucket(cls, where: str) -> str:
        if "://" in where and not S3_PLACE.fullmatch(where):
            msg = "must be a file, or s3://BUCKET/PREFIX with the name of a bucket"
            raise ValueError(msg)
        return where

    @property
    def bucket(self) -> tuple[str, str] | None:
        """Bucket and prefix (empty, or with a slash at its end); None for a file."""
        found = S3_PLACE.fullmatch(self.where)
        return (found[1], f"{found[2]}/" if found[2] else "") if found else None


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"needs at least {SHORTEST_SECRET} characters")
    return secret


def _is_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("is not an IP address such as 127.0.0.1, 0.0.0.0 or ::1") from None


Unguessable = Annotated[SecretStr, AfterValidator(_long_enough)]
Address = Annotated[str, AfterValidator(_is_address)]


class _Guarded(Written):
    """Settings that hold secrets: pydantic shows stars for them, but a pickle would hold the text."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} may hold secrets, so it is not pickled")


class ServeSettings(_Guarded):
    """Section ``[serve]``: what ``runnerkit serve`` listens to.

    ``webhook_secrets`` are those that GitHub signs with: one, and a second while it is being replaced.
    ``public_url`` is their address as GitHub has it, ``/hooks`` included; with it lost ones are asked for again.
    ``page_password`` opens the status page and the metrics to others than the people at this machine, by HTTP's basic
    authentication. ``trusted_proxy`` is the address of the proxy that ends TLS in front; its ``X-Forwarded-*`` headers
    are believed.
    """

    bind: Address = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    interval: float = Field(default=60.0, ge=1, le=3_600)
    webhook_secrets: tuple[Unguessable, ...] = ()
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    trusted_proxy: Address | None = None
    page_password: Unguessable | None = None
    workers: int = Field(default=4, ge=1, le=64)
    stop_within: int = Field(default=30, ge=1, le=600)


class GitHubSettings(_Guarded):
    """Section ``[github]``: where GitHub is, who we are there, and whom we serve.

    Either ``token`` (a fine-grained personal access token) or ``app_id`` with ``private_key`` (PEM text, or
    ``private_key_file``). With ``organization`` and ``runner_group`` runners are registered there, otherwise at each
    repository. ``recovery`` says who repeats runs that AWS interrupts (``controller``, ``resume``, ``none``; ``detect``
    looks for them), which decides whether ``launch`` warns.
    """

    api_url: str = "https://api.github.com"
    token: SecretStr | None = None
    app_id: str | None = None
    installation_id: int | None = None
    private_key: SecretStr | None = None
    private_key_file: str | None = None
    repositories: tuple[Annotated[str, AfterValidator(_is_served)], ...] = ()
    organization: str | None = None
    runner_group: str | None = None
    recovery: Literal["detect", "controller", "resume", "none"] = "detect"

    @field_validator("token", "app_id", "installation_id", "private_key", "private_key_file", mode="before")
    @classmethod
    def _empty_is_unset(cls, given: object) -> object:
        # A variable or secret that a workflow names and nobody set arrives as an empty text.
        return None if given == "" else given

    @model_validator(mode="after")
    def _group_has_organization(self) -> Self:
        if self.runner_group and not self.organization:
            msg = "runner_group needs organization: groups exist in organisations only"
            raise ValueError(msg)
        return self

    def place(self, repo: str) -> str:
        """The level at which runners for a repository are registered: the repository, or the organisation's group."""
        return f"{self.organization} (group {self.runner_group})" if self.runner_group else repo
