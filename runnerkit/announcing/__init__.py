"""Carriers of messages: SNS, Slack's incoming webhooks, webhooks of one's own.

>>> [target.name for target in targets(["sns:arn:aws:sns:eu-west-1:123456789012:runs"], {})]
['sns:arn:aws:sns:eu-west-1:123456789012:runs']
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from runnerkit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runnerkit.job.notifying import Message

__all__ = ["SECRET", "Target", "targets"]

# The variable with the secret that signs what goes to webhooks.
SECRET = "RUNNERKIT_NOTIFY_SECRET"  # noqa: S105 - its name
_ARN = re.compile(r"arn:aws[\w-]*:sns:([a-z0-9-]+):[0-9]{12}:[\w.-]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
KINDS = "sns:ARN, slack:URL, webhook:URL, or the name of a variable in place of URL"


class Target(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """For people; without anything secret."""

    def send(self, message: Message) -> None:
        """Tell.

        Raises:
            NotTold: The message did not arrive; the reason has nothing secret in it.
        """


def targets(written: Iterable[str], environ: Mapping[str, str]) -> list[Target]:
    """The targets that people name; reaches none of them.

    Args:
        written: ``sns:ARN``, ``slack:URL`` or ``webhook:URL``. In place of an URL may stand the name of a variable,
            so that it is on no command line.
        environ: Where such variables are.

    Raises:
        ConfigError: One is no target; an address is not shown.
    """
    return [_target(each, environ) for each in dict.fromkeys(text.strip() for text in written) if each]


def _target(text: str, environ: Mapping[str, str]) -> Target:
    from runnerkit.announcing.sns import Topic
    from runnerkit.announcing.web import Webhook

    kind, _, rest = text.partition(":")
    if kind == "arn":
        kind, rest = "sns", text
    if kind == "sns":
        match = _ARN.fullmatch(_looked_up(kind, rest, environ))
        if match is None:
            raise ConfigError("a target of `sns:` needs the ARN of a topic", hint="sns:arn:aws:sns:REGION:ACCOUNT:NAME")
        return Topic(match[0], match[1])
    if kind not in {"slack", "webhook"}:
        raise ConfigError(f"a target begins with {kind[:20]!r}, which tells nobody", hint=f"give {KINDS}")
    variable = rest if _NAME.fullmatch(rest) else ""
    url = _looked_up(kind, rest, environ)
    return Webhook(kind, url, variable, secret=environ.get(SECRET, "") if kind == "webhook" else "")


def _looked_up(kind: str, rest: str, environ: Mapping[str, str]) -> str:
    if not _NAME.fullmatch(rest):
        if not rest:
            raise ConfigError(
                f"the target `{kind}:` is empty", hint="is the secret set for this repository or workflow?"
            )
        return rest
    found = environ.get(rest, "").strip()
    if not found:
        raise ConfigError(
            f"the variable {rest} of the target `{kind}:` is not set",
            hint=f"set it with `env:`, from a secret of the repository; targets are {KINDS}",
        )
    return found
