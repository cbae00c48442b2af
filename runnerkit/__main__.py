"""``python -m runnerkit``."""

from runnerkit.cli import main

if __name__ == "__main__":
    main()
