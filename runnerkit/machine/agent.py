"""Starts the agent: ``python3 -E -s agent.py COMMAND``. Its own folder is where the package is found."""

import runpy

runpy.run_module("runnerkit_agent.main", run_name="__main__", alter_sys=True)
