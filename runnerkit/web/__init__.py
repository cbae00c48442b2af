"""What ``runnerkit serve`` shows to the outside: webhooks in, health, metrics and the status page out.

Nothing here decides about machines. A webhook is a hint that wakes the loop; losing all of them costs time only.
"""
