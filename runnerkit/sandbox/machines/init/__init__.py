"""What runs inside a process machine: a small systemd and cloud-init. Standard library only, started by its path."""
