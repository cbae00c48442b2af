"""What runs on the machine itself, as root: Python 3.9 or newer, standard library only."""
