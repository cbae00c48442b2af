"""How the local GitHub runs workflows: events become runs, runs become jobs, jobs wait for what they must wait for.

What a workflow file means is told by `runnerkit.sandbox.workflows`; here is what GitHub does about it. `starting` is
the way in (``happened``, ``dispatch``); `progress` brings every run as far as it can get and is part of every look at
the world (`aging.settle`), with `gates`, `groups` and `approvals` as what a job waits for; `contexts` is what a
workflow may ask about its run, `credentials` and `artifacts` what a running job holds; `stories` is what a test or an
example calls.
"""
