"""What a builder boots from, what its console tells about it, and the scripts that run its steps. Pure.

A builder ends itself: a hard lifetime is armed before anything else, and so is a dead-man's switch, which powers off
when the baker has not been heard of for a while. Both are timers of systemd's own that leave nothing in the image.
"""

from __future__ import annotations

import base64
import binascii
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
# What a step printed beyond this since the last look is left out: nobody reads it, and it must not be waited for.
BEHIND = 4 * 1024 * 1024

# Bytes that tell how long a field of a key is.
_LENGTH = 4
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
    """Type and base64 of each SSH host key in the newest whole block that cloud-init printed; empty without one.

    The kernel writes to the console, too, even into the middle of a line: a key that is not whole is none.
    """
    found: tuple[tuple[str, str], ...] = ()
    for part in console.split(BEGIN)[1:]:
        block, end, _ = part.partition(END)
        keys = tuple(dict.fromkeys((kind, text) for kind, text in _KEY.findall(block) if _is_whole(kind, text)))
        if end and keys:
            found = keys
    return found


def _is_whole(kind: str, text: str) -> bool:
    """Whether base64 is a key of that type from its first field to its last (RFC 4253, section 6.6)."""
    try:
        left = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    fields: list[bytes] = []
    while len(left) >= _LENGTH:
        size = int.from_bytes(left[:_LENGTH], "big")
        fields.append(left[_LENGTH : _LENGTH + size])
        if len(fields[-1]) != size:
            return False
        left = left[_LENGTH + size :]
    return not left and len(fields) > 1 and fields[0] == kind.encode()


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
outcome="$code $((up - began))"
# A step that filled the disk with its output still has to be told from one that vanished.
echo "$outcome" >exit.new || {{ truncate -s 100000 log; echo "$outcome" >exit.new; }}
mv exit.new exit
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
    """Starts a step once, apart from this connection, and waits until it runs; starting it again changes nothing."""
    folder = f"{root}/steps/{chain}"
    return (
        f"cd {_q(folder)} || exit 9; mkdir started 2>/dev/null && "
        f"setsid -f sh {_q(root)}/run.sh {_q(folder)} {int(timeout)} >/dev/null 2>&1 </dev/null; "
        "n=0; until [ -s pid ] || [ $n -ge 200 ]; do sleep 0.1; n=$((n + 1)); done"
    )


def watch(chain: str, offset: int, silence: int, root: str = ROOT) -> str:
    """Tells the step's state (absent, running, lost, or exit CODE SECONDS) and where its log goes on, a line each.

    The log follows, from ``offset`` or a later place. A process id alone does not tell a step: after a reboot it may be
    somebody else's.
    """
    folder = f"{root}/steps/{chain}"
    return (
        f"{heard(silence)}; from={int(offset)}; cd {_q(folder)} 2>/dev/null || {{ echo absent; echo $from; exit 0; }}; "
        f'state=running; if [ -e started ]; then grep -aqF {_q(folder)} "/proc/$(cat pid 2>/dev/null)/cmdline" '
        '2>/dev/null || state=lost; else state=absent; fi; [ ! -e exit ] || state="exit $(cat exit)"; '
        "size=$(stat -c %s log 2>/dev/null || echo 0); "
        f"[ $((size - from)) -le {BEHIND} ] || from=$((size - {BEHIND})); "
        f'echo "$state"; echo "$from"; tail -c +$((from + 1)) log 2>/dev/null | head -c {CHUNK}'
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
    return f"cd {_q(root)}/steps/{chain} && echo 'unexpected 0' >'exit'"


CLEAN = f"""
cloud-init clean --logs >/dev/null 2>&1 || rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data
truncate -s 0 /etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
find /tmp /var/tmp -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*' -exec rm -rf {{}} + 2>/dev/null
journalctl --quiet --rotate; journalctl --quiet --vacuum-time=1s
find /var/log -type f -exec truncate -s 0 {{}} +
rm -rf /var/lib/amazon/ssm/i-* /var/lib/amazon/ssm/Vault
rm -f /root/.bash_history /home/*/.bash_history /root/.wget-hsts /home/*/.wget-hsts
rm -rf /root/.cache/pip /root/.cache/uv
rm -rf {ROOT}
# Last: without these nobody can connect again.
rm -f /etc/ssh/ssh_host_* /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
sync
echo cleaned
"""


def _q(text: str) -> str:
    return shlex.quote(text)
