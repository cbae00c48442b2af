"""The stand-in's program: only the standard library, so that a copy in the runner's root starts fast."""
