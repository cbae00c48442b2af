"""Webhooks: who is told (`rules`), what happens to jobs and runs (`watch`), and how it is delivered (`sender`)."""
