"""Self-hosted GPU runners for GitHub Actions on AWS: spot, just in time, gone afterwards."""

__version__ = "0.1.0.dev0"
