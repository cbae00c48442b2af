"""Tests of what runnerkit serve shows to the outside."""
