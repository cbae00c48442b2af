"""Addresses of CloudWatch's pages for people."""

from __future__ import annotations

from urllib.parse import quote

from runnerkit.batch.requests import LOG_GROUP

# The console's own part of the address is encoded twice, with a dollar sign for the outer per cent sign.
_SITES = {
    "cn-": "console.amazonaws.cn",
    "eusc-": "console.amazonaws-eusc.eu",
    "us-gov-": "console.amazonaws-us-gov.com",
}


def twice(text: str) -> str:
    """As CloudWatch's page encodes names in its address: ``/`` is ``$252F``.

    >>> twice("/aws/batch/job")
    '$252Faws$252Fbatch$252Fjob'
    """
    return quote(quote(text, safe=""), safe="").replace("%", "$")


def log_link(region: str, stream: str) -> str:
    """The page of a log stream of Batch."""
    site = next((site for start, site in _SITES.items() if region.startswith(start)), "console.aws.amazon.com")
    page = f"https://{region}.{site}/cloudwatch/home?region={region}#logsV2:log-groups"
    return f"{page}/log-group/{twice(LOG_GROUP)}/log-events/{twice(stream)}"
