"""The doctor: its checks as tables, its looks over a sandbox, and what people read."""
