"""A command on AWS Batch: made ready, submitted, followed, explained, ended, removed.

Everything but the adapter (``aws``, ``roles``, ``places``, ``trouble``, ``opening``) is pure: it speaks to
:class:`runnerkit.batch.ports.Service` and a clock.
"""
