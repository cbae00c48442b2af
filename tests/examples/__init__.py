"""The repositories below `examples/`, played end to end."""
