"""Jobs in containers, through podman's Docker-compatible socket."""
