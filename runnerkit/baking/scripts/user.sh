# The job's user, with the number that the runner has on GitHub's own machines: images of containers are made for it.
id -u runner >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --uid 1001 runner
