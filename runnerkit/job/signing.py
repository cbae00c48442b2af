"""Addresses that carry their own permission, and how long they can hold. Pure.

A presigned address dies with the credentials that signed it, whatever its own time says:
https://repost.aws/knowledge-center/presigned-url-s3-bucket-expiration
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from runnerkit.errors import ConfigError, PolicyRefused

if TYPE_CHECKING:
    from datetime import datetime

LONGEST = timedelta(days=7)  # of SigV4: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
INSTANCE_ROLE = timedelta(hours=6)  # an instance's credentials are renewed within six hours
LASTS = "leave --presign away: the link without it lasts, and asks for the reader's own sign-in"


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose credentials sign.

    ``how`` is botocore's word for where they came from (``iam-role`` is an instance's, ``env`` are variables),
    ``temporary`` tells that they end some time, ``expires`` when that is (aware UTC), None when nobody says.
    """

    how: str
    temporary: bool
    expires: datetime | None = None


def check_presign(wanted: timedelta, signer: Signer, now: datetime) -> str:
    """Whether an address can hold that long.

    Returns:
        What its readers should know; empty when there is nothing.

    Raises:
        ConfigError: Longer than S3 allows, or no time at all.
        PolicyRefused: Longer than the credentials live, or nobody knows how long that is.
    """
    if not timedelta(seconds=1) <= wanted <= LONGEST:
        raise ConfigError(f"a presigned address holds between a second and 7 days, not {_span(wanted)}", hint=LASTS)
    if not signer.temporary:
        return ""
    if signer.expires is None:
        raise PolicyRefused(
            f"the address would end with the credentials that sign it ({signer.how}), and nobody says when that is",
            hint=f"{LASTS}; or set AWS_CREDENTIAL_EXPIRATION with them",
        )
    life = signer.expires - now
    if signer.how == "iam-role":
        life = min(life, INSTANCE_ROLE)
    if wanted > life:
        raise PolicyRefused(
            f"the address would end with the credentials that sign it ({signer.how}) in {_span(life)}, "
            f"not after {_span(wanted)}",
            hint=f"{LASTS}; or ask for less",
        )
    return f"this address ends at {now + wanted:%Y-%m-%d %H:%M} UTC, and whoever has it can read the file until then"


def _span(time: timedelta) -> str:
    seconds = max(round(time.total_seconds()), 0)
    for size, word in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds} s"
