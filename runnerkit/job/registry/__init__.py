"""The registry of runs: one small file for each, beside the DVC remote, under ``runs/``.

``record`` is what is known of a run, ``keeper`` writes it while the run goes on, ``shelf`` lists, tags and deletes,
``comparing`` puts two side by side.
"""
