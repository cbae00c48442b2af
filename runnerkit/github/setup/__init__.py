"""What ``setup github`` makes: an App from a manifest, webhooks, variables, secrets and an environment."""
