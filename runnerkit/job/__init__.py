"""What runs inside a job: the pipeline (``runnerkit dvc run``) and its report (``runnerkit report``).

Nothing here knows the fleet, AWS or GitHub's API; it works in any CI job and on a laptop.
"""
