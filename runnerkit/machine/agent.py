"""Starts the agent: ``python3 -E -s -S agent.py COMMAND``. Its own folder is where the package is found."""

import os
import sys

from runnerkit_agent.main import main

sys.exit(main(sys.argv[1:], os.environ))
