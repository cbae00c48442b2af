"""GitHub's JSON, made from the world's records."""
