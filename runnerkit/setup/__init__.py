"""What runnerkit stands on in an AWS account, as one table: made directly, or printed for CloudFormation. Pure.

:mod:`table` says what there should be, :mod:`plan` what is to be done about it, :mod:`carrying` does that by way of the
port :class:`ports.Account`.
"""
