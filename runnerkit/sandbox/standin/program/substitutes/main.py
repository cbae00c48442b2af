"""Runs a substitute by its name."""

from __future__ import annotations

from . import artifacts, aws, cache, checkout, python
from .toolkit import Failed, annotate

ACTIONS = {
    "checkout": checkout.main,
    "checkout-post": checkout.post,
    "setup-python": python.setup_python,
    "setup-uv": python.setup_uv,
    "upload-artifact": artifacts.upload,
    "download-artifact": artifacts.download,
    "cache": cache.restore,
    "cache-save": cache.save,
    "configure-aws-credentials": aws.main,
}


def main(name: str) -> int:
    """Run one and give its exit status."""
    try:
        ACTIONS[name]()
    except Failed as failed:
        annotate("error", str(failed))
        return 1
    return 0
