"""Local substitutes for actions that would be downloaded: what stands behind the files in ``actions/``."""
