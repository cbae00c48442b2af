# Docker for jobs: none, rootless (as the job's user), or rootful, which makes the job's user as good as root.
case $MODE in
none)
    systemctl disable --now docker.service docker.socket containerd.service 2>/dev/null || true
    gpasswd -d runner docker 2>/dev/null || true
    ;;
rootful)
    command -v docker >/dev/null || { apt-get update -q && apt-get install -qy docker.io docker-buildx; }
    systemctl enable --now docker.service
    usermod -aG docker runner
    if command -v nvidia-ctk >/dev/null; then
        nvidia-ctk runtime configure --runtime=docker
        systemctl restart docker.service
    fi
    docker info --format 'docker {{.ServerVersion}}'
    ;;
rootless)
    apt-get update -q
    apt-get install -qy docker.io uidmap dbus-user-session slirp4netns rootlesskit fuse-overlayfs
    systemctl disable --now docker.service docker.socket
    uid=$(id -u runner)
    grep -q '^runner:' /etc/subuid || usermod --add-subuids 200000-265535 --add-subgids 200000-265535 runner
    loginctl enable-linger runner
    # Its services come up on their own time.
    for _ in $(seq 100); do test -S "/run/user/$uid/bus" && break; sleep 0.2; done
    setup=$(command -v dockerd-rootless-setuptool.sh || echo /usr/share/docker.io/contrib/dockerd-rootless-setuptool.sh)
    test -e "$setup" || { echo "this base has no dockerd-rootless-setuptool.sh"; exit 1; }
    runuser -u runner -- env "XDG_RUNTIME_DIR=/run/user/$uid" "PATH=$(dirname "$setup"):$PATH" sh "$setup" install
    mkdir -p /opt/runnerkit/runner
    echo "DOCKER_HOST=unix:///run/user/$uid/docker.sock" >>/opt/runnerkit/runner/.env
    ;;
esac
echo "docker: $MODE"
