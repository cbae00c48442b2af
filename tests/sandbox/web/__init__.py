"""Tests of the local GitHub's web pages."""
