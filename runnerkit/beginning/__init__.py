"""How a repository begins with runnerkit: what is found in it, what is asked, and the files that are written."""
