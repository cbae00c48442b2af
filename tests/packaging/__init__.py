"""The package outside of the tree: what is in it, what it says, how it is installed."""
