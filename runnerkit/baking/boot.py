"""What a builder boots from, what its console tells about it, and the scripts that run its steps. Pure.

A builder ends itself: a hard lifetime is armed before anything else, and so is a dead-man's switch, which powers off
when the baker has not been heard of for a while. Both are timers of systemd's own that leave nothing in the image.
"""

from __future__ import annotations

import json
import re
import shlex

SWITCH = "/run/runnerkit-bake"
ROOT = "/var/lib/runnerkit-bake"
BEGIN, END = "-----BEGIN SSH HOST KEY KEYS-----", "-----END SSH HOST KEY KEYS-----"
LOOK_SECONDS = 5
# Seconds between a deadline and the harder ways to power off.
HARDER, HARDEST = 60, 90
CHUNK = 262_144

_KEY = re.compile(r"\b(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) (AAAA[A-Za-z0-9+/]+={0,2})")
# Printed again by us: a base image may have been told to keep its keys off the console.
_PRINT_KEYS = f"{{ echo '{BEGIN}'; cat /etc/ssh/ssh_host_*_key.pub; echo '{END}'; }} >/dev/console"
# Uptime does not jump when the clock is set right, shortly after the boot.
_UPTIME = "read -r up _ </proc/uptime; up=${up%%.*}"
_SWITCH_OFF = (
    f"{_UPTIME}; read -r end <{SWITCH} || end=0; "
    '[ "$up" -lt "$end" ] || { echo "runnerkit: powering off: the baker is gone" >/dev/console; systemctl poweroff; }'
)


def user_data(public_key: str, *, life: int, silence: int) -> bytes:
    """A builder's user data.

    Args:
        public_key: The one key that may log in, in OpenSSH's format.
        life: Seconds after which it ends, come what may.
        silence: Seconds without a word from the baker after which it ends; the boot counts as a word.
    """
    document = {
        "bootcmd": [
            # A base image that was baked itself has a deadline for machines that get no runner.
            ["sh", "-c", "systemctl stop runnerkit-boot.timer 2>/dev/null || true"],
            ["sh", "-c", heard(silence)],
            _timer("switch", f"--on-active={LOOK_SECONDS}s", f"--on-unit-active={LOOK_SECONDS}s", _SWITCH_OFF),
            _timer("life", f"--on-active={life}s", "", "systemctl poweroff"),
            _timer("force", f"--on-active={life + HARDER}s", "", "systemctl poweroff --force"),
            _timer("kill", f"--on-active={life + HARDEST}s", "", "systemctl poweroff --force --force"),
        ],
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_authorized_keys": [public_key],
        "package_update": False,
        "package_upgrade": False,
        "runcmd": [["sh", "-c", _PRINT_KEYS]],
    }
    return b"#cloud-config\n" + json.dumps(document, separators=(",", ":")).encode("ascii")


def _timer(name: str, first: str, again: str, command: str) -> list[str]:
    return [
        "systemd-run",
        "--quiet",
        "--no-block",
        f"--unit=runnerkit-bake-{name}",
        first,
        *([again] if again else []),
        "--timer-property=AccuracySec=1s",
        "--timer-property=DefaultDependencies=no",
        "--property=DefaultDependencies=no",
        # systemd would take what looks like a variable for one of its own.
        *("sh", "-c", command.replace("$", "$$")),
    ]


def host_keys(console: str) -> tuple[tuple[str, str], ...]:
    """Type and base64 of each SSH host key in the newest whole block that cloud-init printed; empty without one."""
    found: tuple[tuple[str, str], ...] = ()
    for part in console.split(BEGIN)[1:]:
        block, end, _ = part.partition(END)
        keys = tuple(dict.fromkeys((kind, text) for kind, text in _KEY.findall(block)))
        if end and keys:
            found = keys
    return found


# --- scripts ----------------------------------------------------------------------------------------------------------

RUN = f"""#!/bin/sh
# Runs one step to its end, whoever is connected. Arguments: its folder, seconds it may take.
cd "$1" || exit 1
PAYLOAD=$1/payload.tar; export PAYLOAD
echo "$$" >pid
{_UPTIME}; began=$up
timeout --kill-after=10 "$2" bash script >log 2>&1 </dev/null
code=$?
{_UPTIME}
echo "$code $((up - began))" >exit.new && mv exit.new exit
"""


def heard(silence: int) -> str:
    """The command that tells the dead-man's switch to wait so many more seconds."""
    return f"{_UPTIME}; echo $((up + {int(silence)})) >{SWITCH}"


def ready(root: str = ROOT) -> str:
    """Makes the folder of the steps, and writes the runner script that comes on standard input."""
    return f"umask 077; mkdir -p {_q(root)}/steps && cat >{_q(root)}/run.sh"


def receive(chain: str, name: str, root: str = ROOT) -> str:
    """Writes a step's file that comes on standard input, whole or not at all."""
    folder = f"{root}/steps/{chain}"
    return f"umask 077; mkdir -p {_q(folder)} && cd {_q(folder)} && cat >{_q(name)}.new && mv {_q(name)}.new {_q(name)}"


def start(chain: str, timeout: int, root: str = ROOT) -> str:
    """Starts a step once, apart from this connection; starting it again changes nothing."""
    folder = f"{root}/steps/{chain}"
    return (
        f"cd {_q(folder)} || exit 9; mkdir started 2>/dev/null || exit 0; "
        f"setsid -f sh {_q(root)}/run.sh {_q(folder)} {int(timeout)} >/dev/null 2>&1 </dev/null; "
        "for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s pid ] && break; sleep 0.1; done"
    )


def watch(chain: str, offset: int, silence: int, root: str = ROOT) -> str:
    """Tells the step's state on a line (absent, running, lost, or exit CODE SECONDS), then its log from there."""
    folder = f"{root}/steps/{chain}"
    return (
        f"{heard(silence)}; cd {_q(folder)} 2>/dev/null || {{ echo absent; exit 0; }}; "
        'state=running; if [ -e started ]; then kill -0 "$(cat pid 2>/dev/null)" 2>/dev/null || state=lost; '
        'else state=absent; fi; [ ! -e exit ] || state="exit $(cat exit)"; echo "$state"; '
        f"tail -c +{int(offset) + 1} log 2>/dev/null | head -c {CHUNK}"
    )


def finished(root: str = ROOT) -> str:
    """Names the chain of every step that ended well, one a line."""
    return f"cd {_q(root)}/steps 2>/dev/null || exit 0; grep -l '^0 ' */exit 2>/dev/null | cut -d/ -f1"


def forget(chain: str, root: str = ROOT) -> str:
    """Takes a step's outcome away, so that it runs again, after what may still run of it has ended."""
    folder = f"{root}/steps/{chain}"
    return (
        f"cd {_q(folder)} 2>/dev/null || exit 0; p=$(cat pid 2>/dev/null); "
        '[ -z "$p" ] || [ -e exit ] || pkill -KILL -s "$p" || true; '
        f"cd /; rm -rf {_q(folder)}"
    )


def failed(chain: str, root: str = ROOT) -> str:
    """Notes that a step did not bring what was expected of it, though it ended with 0."""
    return f"cd {_q(root)}/steps/{chain} && echo 'unexpected 0' >exit"


CLEAN = f"""
cloud-init clean --logs >/dev/null 2>&1 || rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data
truncate -s 0 /etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed /etc/ssh/ssh_host_*
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' -exec rm -rf {{}} + 2>/dev/null
journalctl --quiet --rotate; journalctl --quiet --vacuum-time=1s
find /var/log -type f -exec truncate -s 0 {{}} +
rm -rf /var/lib/amazon/ssm/i-* /var/lib/amazon/ssm/Vault
rm -f /root/.bash_history /home/*/.bash_history /root/.wget-hsts /home/*/.wget-hsts
rm -rf {ROOT}
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
sync
echo cleaned
"""


def _q(text: str) -> str:
    return shlex.quote(text)
