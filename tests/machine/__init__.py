"""Machines with a real systemd, cloud-init, nftables and sshd."""
