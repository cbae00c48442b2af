# The agent, its units and the deadline of a machine's first boot. The agent runs with the system's Python.
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { echo "the base image has no Python 3.9 or newer"; exit 1; }
command -v nft >/dev/null || command -v iptables >/dev/null || { apt-get update -q && apt-get install -qy nftables; }
tar -x --no-same-owner -f "$PAYLOAD" -C /
systemctl daemon-reload
# Not --now: this machine is the builder, which has deadlines of its own.
systemctl enable runnerkit-boot.timer
complaints=$(systemd-analyze verify /etc/systemd/system/runnerkit-*.service /etc/systemd/system/runnerkit-*.timer 2>&1 | grep 'runnerkit-' || true)
test -z "$complaints" || { echo "$complaints"; exit 1; }
python3 -E -s -B -c 'import sys; sys.path.insert(0, "/opt/runnerkit"); import runnerkit_agent.main'
python3 -m compileall -q /opt/runnerkit/agent.py /opt/runnerkit/runnerkit_agent
echo "the agent is installed"
