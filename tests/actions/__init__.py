"""The action, the reusable workflow, and the lint of all workflows."""
