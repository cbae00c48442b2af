"""Workflow files, as GitHub reads them."""
