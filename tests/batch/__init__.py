"""Tests of commands on AWS Batch."""
