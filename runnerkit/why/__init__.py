"""Why a job, a run or a machine is where it is: from GitHub, EC2, the journal and the plan of this very moment.

:func:`questions.read` understands what was asked, :class:`gathering.Gatherer` collects what is known, and
:func:`explaining.explain` says what it means. Nothing here changes anything.
"""
