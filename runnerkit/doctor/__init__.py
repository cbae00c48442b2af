"""`runnerkit doctor`: is everything there that a job needs? Looks first, bounded and side by side; judges then, purely.

`words` says what a finding is, `seen` what was looked at. The checks are one short function each, in `aws`, `quotas`,
`network`, `images`, `github`, `policy`, `data` and `computer`; `registry` lists them. What looks is named `look_*`.
"""
