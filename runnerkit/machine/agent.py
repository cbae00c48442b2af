"""Starts the agent: ``python3 -E -s -S agent.py COMMAND``. Its own folder is where the package is found."""

import os
import sys

from runnerkit_agent.main import main  # type: ignore[import-not-found]  # it is a package on the machine only

sys.exit(main(sys.argv[1:], os.environ))
