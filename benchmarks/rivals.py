"""Boot scripts that do what others' do, step by step as they document it, written anew.

Sources: machulav/ec2-github-runner 2.6.1 (``src/aws.js``), omsf/start-aws-gha-runner 1.0 with gha-runner 0.6
(``user-script.sh.templ``), github-aws-runners/terraform-aws-github-runner 7.11 (``modules/runners/templates``,
``images``). What they would take from a network is a local file, or comes from the sandbox's mirror as ours does:

- the newest release's number is read from a file, not from GitHub's API; the archive is the stand-in's;
- parameters and the JIT configuration of AWS's parameter store are files read by cat, and deleted by rm: the AWS CLI,
  which would be started three times, is left out;
- JSON is read by sed where they use jq, which the machines' system does not have;
- packages, docker, the system's upgrade, the CloudWatch agent and X-Ray are left out;
- runners are registered by a JIT configuration. Only gha-runner has no way for that: its ``config.sh``, one program
  and several calls of GitHub's API more, is left out.

All of this is to their advantage. Their waits for retries are never reached.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = "2.336.0"
RELEASES = "https://github.com/actions/runner/releases/download"
# The user that cloud-init makes on the machines' system, as on Ubuntu's images.
USER = "ubuntu"
OPT = "opt/actions-runner"
STORE = "/opt/store"
File = tuple[str, int]


@dataclass(frozen=True)
class Rival:
    """One way to boot.

    Attributes:
        name: Whose it is, and from which image.
        folder: Where its runner is, without the leading slash.
        user_data: Makes the user data from a JIT configuration.
        files: What its image has, or what stands for a service; by path, with modes; made from a JIT configuration.
        baked: Whether the runner is in its image.
        tags: Of its instance.
    """

    name: str
    folder: str
    user_data: Callable[[str], bytes]
    files: Callable[[str], Mapping[str, File]]
    baked: bool
    tags: Mapping[str, str] = field(default_factory=dict)


# --- ec2-github-runner: cloud-config that writes a script and starts it in the background -----------------------------

_LOGGED = """\
#!/bin/bash
exec > >(tee -a /tmp/runner-setup.log) 2>&1
set -e
"""
_DOWNLOADED = f"""\
mkdir actions-runner && cd actions-runner
source /tmp/pre-runner-script.sh
case $(uname -m) in aarch64) ARCH=arm64 ;; *) ARCH=x64 ;; esac
export RUNNER_ARCH=$ARCH
NUMBER=$(curl -s file://{STORE}/release.json | grep -o '"tag_name": *"[^"]*"' | sed 's/.*"v\\(.*\\)"/\\1/' | tr -d v)
NAME=actions-runner-linux-$ARCH-$NUMBER.tar.gz
curl -O -L {RELEASES}/v$NUMBER/$NAME
tar xzf ./$NAME
"""
_IN_IMAGE = f"""\
cd /{OPT}
source /tmp/pre-runner-script.sh
rm -f .runner .credentials .credentials_rsaparams
"""
_RELEASE: dict[str, File] = {f"{STORE}/release.json": (json.dumps({"tag_name": f"v{VERSION}"}), 0o644)}


def _background(script: str) -> Callable[[str], bytes]:
    def made(jit: str) -> bytes:
        run = f"export RUNNER_ALLOW_RUNASROOT=1\n./run.sh --jitconfig {jit}\n"
        written = {"/tmp/pre-runner-script.sh": "#!/bin/bash\n", "/opt/runner-setup.sh": f"{_LOGGED}{script}{run}"}  # noqa: S108 - paths on the machine
        files = [{"path": path, "permissions": "0755", "content": text} for path, text in written.items()]
        return _cloud_config({"write_files": files, "runcmd": ["nohup /opt/runner-setup.sh &"]})

    return made


def _cloud_config(document: Mapping[str, object]) -> bytes:
    return b"#cloud-config\n" + json.dumps(document).encode()


# --- gha-runner: a script that runs as the last thing of the boot -----------------------------------------------------


def _script(jit: str) -> bytes:
    return f"""#!/bin/bash
cd /home/{USER}
echo "" >pre-runner-script.sh
source pre-runner-script.sh
export RUNNER_ALLOW_RUNASROOT=1
curl -L {RELEASES}/v{VERSION}/actions-runner-linux-x64-{VERSION}.tar.gz -o runner.tar.gz
tar xzf runner.tar.gz
./run.sh --jitconfig {jit}
""".encode()


# --- terraform-aws-github-runner: metadata, tags and parameters are read, then the runner is run as a user ------------

_INSTALL = f"""\
mkdir -p /opt/hostedtoolcache
mkdir -p /{OPT} && cd /{OPT}
url={RELEASES}/v{VERSION}/actions-runner-linux-x64-{VERSION}.tar.gz
curl -o actions-runner.tar.gz -L $url
tar xzf ./actions-runner.tar.gz
rm -rf actions-runner.tar.gz
os_id=$(awk -F= '/^ID/{{print $2}}' /etc/os-release)
echo OS: $os_id
chown -R {USER}:{USER} .
chown -R {USER}:{USER} /opt/hostedtoolcache
"""
_START = f"""\
at=http://169.254.169.254/latest
token=$(curl -f -X PUT $at/api/token -H "X-aws-ec2-metadata-token-ttl-seconds: 180")
ask() {{ curl -f -H "X-aws-ec2-metadata-token: $token" -v $at/$1; }}
ami_id=$(ask meta-data/ami-id)
region=$(ask dynamic/instance-identity/document | sed -n 's/.*"region" *: *"\\([^"]*\\)".*/\\1/p')
instance_id=$(ask meta-data/instance-id)
instance_type=$(ask meta-data/instance-type)
zone=$(ask meta-data/placement/availability-zone)
environment=$(ask meta-data/tags/instance/ghr:environment)
config_path=$(ask meta-data/tags/instance/ghr:ssm_config_path)
prefix=$(ask meta-data/tags/instance/ghr:runner_name_prefix || echo "")
trace=$(ask meta-data/tags/instance/ghr:trace_id || echo "")
parameters=$(cat "{STORE}$config_path")
value() {{ echo "$parameters" | sed -n "s|^$config_path/$1=||p"; }}
run_as=$(value run_as)
cloudwatch=$(value enable_cloudwatch)
agent_mode=$(value agent_mode)
labels=$(value disable_default_labels)
jit=$(value enable_jit_config)
token_path=$(value token_path)
config=$(cat "{STORE}$token_path/config")
while [ -z "$config" ]; do sleep 1; config=$(cat "{STORE}$token_path/config"); done
rm "{STORE}$token_path/config"
chown -R $run_as /{OPT}
architecture=$(uname -p)
system=$( (lsb_release -ds || cat /etc/*release) 2>/dev/null | head -n1 | cut -d "=" -f2- | tr -d '"')
tee /{OPT}/.setup_info <<EOL
[{{"group": "Operating System", "detail": "Distribution: $system, architecture: $architecture"}},
 {{"group": "Runner Image", "detail": "AMI id: $ami_id"}},
 {{"group": "EC2", "detail": "Instance type: $instance_type, availability zone: $zone"}}]
EOL
echo "Starting the runner after $(awk '{{print int($1)}}' /proc/uptime) as user $run_as"
sudo --preserve-env=RUNNER_ALLOW_RUNASROOT -u "$run_as" -- ./run.sh --jitconfig $config
"""
_LOGGING = "exec > >(tee /var/log/{log}.log | logger -t user-data -s 2>/dev/console) 2>&1\n"
_PARAMETERS = {
    "run_as": USER,
    "enable_cloudwatch": "false",
    "agent_mode": "ephemeral",
    "disable_default_labels": "false",
    "enable_jit_config": "true",
    "token_path": "/runners/tokens",
}
_CONFIG_PATH = "/runners/config"
_TAGS = {"ghr:environment": "bench", "ghr:ssm_config_path": _CONFIG_PATH}


def _stored(jit: str) -> dict[str, File]:
    lines = "".join(f"{_CONFIG_PATH}/{name}={value}\n" for name, value in _PARAMETERS.items())
    config = f"{STORE}{_PARAMETERS['token_path']}/config"
    return {f"{STORE}{_CONFIG_PATH}": (lines, 0o600), config: (f"{jit}\n", 0o600)}


def _each_boot(jit: str) -> dict[str, File]:
    """Its image runs the script at each boot; there is no user data."""
    script = f"#!/bin/bash -e\n{_LOGGING.format(log='runner-startup')}cd /{OPT}\n{_START}"
    return _stored(jit) | {"/var/lib/cloud/scripts/per-boot/start-runner.sh": (script, 0o755)}


def _everything(_jit: str) -> bytes:
    return f"#!/bin/bash -e\n{_LOGGING.format(log='user-data')}set +x\n{_INSTALL}{_START}".encode()


RIVALS = (
    Rival("ec2-github-runner, baked", OPT, _background(_IN_IMAGE), lambda _: {}, baked=True),
    Rival("ec2-github-runner, stock", "actions-runner", _background(_DOWNLOADED), lambda _: _RELEASE, baked=False),
    Rival("gha-runner, stock", f"home/{USER}", _script, lambda _: {}, baked=False),
    Rival("terraform-aws-github-runner, baked", OPT, lambda _: b"", _each_boot, baked=True, tags=_TAGS),
    Rival("terraform-aws-github-runner, stock", OPT, _everything, _stored, baked=False, tags=_TAGS),
)
