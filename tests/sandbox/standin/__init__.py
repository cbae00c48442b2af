"""The stand-in for GitHub's runner, against the local GitHub."""
