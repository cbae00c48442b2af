"""How ``dvc.lock`` comes back from a job: a bundle of lock and metrics files, left somewhere, applied by somebody else.

The job that trains leaves a bundle (``leaving``) once all its data is on the remote; another one, which runs no
training code and may write to the repository, checks it (``bundle``, ``objects``) and commits it (``offering``), or a
person takes it into a checkout (``worktree``).
"""
