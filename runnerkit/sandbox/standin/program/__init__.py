"""The stand-in's program: the standard library only, so that it starts fast and runs from a copy in the runner's root."""
