"""Local stand-ins for EC2 and GitHub: real servers on 127.0.0.1 that the unchanged adapters talk to."""
