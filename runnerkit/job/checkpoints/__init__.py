"""What a stage has done so far, kept in a store while it runs, so that another machine goes on from there.

A stage names its folders in ``dvc.yaml``, under ``meta: {runnerkit: {checkpoints: [DIR]}}``.
"""
