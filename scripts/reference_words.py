# ruff: noqa: E501 - tables of pages have long lines
"""What the reference pages say beside what ``write_reference.py`` takes from the code.

Every key must be explained here and nothing else may be: the script refuses to write a page otherwise.
"""

from runnerkit.permissions import Place, Use

INTRODUCTIONS = {
    "permissions": """\
What runnerkit must be allowed on AWS, for each thing that you do with it. `runnerkit setup aws` makes roles with these
policies; [`runnerkit doctor`](doctor.md) tells which of the actions your credentials lack. Below, the account is
123456789012, the region eu-central-1 and the owner `runnerkit`: your own come from your configuration.

How far this can be trusted:

| what | how it is known |
| --- | --- |
| each action is needed | tests do everything that runnerkit does with the real adapters, and record each action at the wire of a [local AWS](sandbox.md): an action here that nobody calls fails them, but for those that AWS asks for by itself |
| no action is missing | so does one that is called and not here, in any test there is; and the stories pass where that AWS demands permissions |
| resources and keys of conditions exist | held against AWS's service authorization reference |
| **conditions hold for our calls and for no others** | **checked statically, and not proven**: no AWS stands behind the tests. If AWS denies something that is allowed here, tell us |

What is made carries the tag `runnerkit:owner` from the start; what changes or removes something asks for that tag,
wherever AWS can. Two installations of different owners in one account cannot end each other's machines.""",
    "asked for by AWS itself": """\
## Never called

Some actions must be allowed though runnerkit never calls them: AWS asks for them on behalf of another call.""",
    "doctor": """\
`runnerkit doctor` looks at AWS, GitHub, and the computer and folder it is called in, and says what works, what does
not, and what to do next. It changes nothing. Call it after setting up, and when a job does not get its machine and
[why](why.md) does not say it.

```console
$ runnerkit doctor --only aws-spot-quota
AWS
  warning  aws-spot-quota          us-east-1: 0 vCPUs of All G and VT Spot
             Instance Requests; default needs 4
           why:  new accounts start with 0; until it is raised AWS refuses every
             such machine
           next: aws service-quotas request-service-quota-increase
             --service-code ec2 --quota-code L-3819A6DF --desired-value 32
             --region us-east-1

1 warning
```

| level | means |
| --- | --- |
| ok | as it should be |
| note | it works, and is worth knowing |
| unknown | it could not be found out; the line says why |
| warning | it works now, but not for long, or not always |
| failure | a job will not get its machine, or its results will be lost |

It ends with 0, or with 15 when there is a failure; with `--strict` also for a warning, and for what is unknown.
`--only` takes groups and checks, with commas or several times. `--json` prints all findings with names that stay: `check`, `group`,
`level`, `found`, `why`, `next`. `--list` names all checks. Workflows are read at GitHub, and in a checkout of a
served repository also those that are not pushed yet.

Everything is looked at side by side, within 60 seconds (`--within`). What hangs or fails is unknown and hides nothing
else, and half of the credentials may be missing. In a workflow, call it in the job that launches: then it judges the
credentials that count.

How permissions are tried without doing anything:

* EC2's calls are made as dry runs. A dry run about a machine that nobody has says nothing when the policy asks for our
  tag, so these, and calls of services without dry runs, are left to IAM's simulation. It needs
  `iam:SimulatePrincipalPolicy`; without it they are unknown.
* GitHub is asked to change what does not exist (runner 0, comment 0, run 0). It looks at the permission first, so the
  answer tells whether there is one. This is as true of a fine-grained token as of a classic one.
* A journal on S3 is tried by a write that cannot succeed: it asks to replace an object that nobody has.

What it cannot see: GitHub's secrets, whether AWS has capacity at this moment (launches tell), whether a newer
runnerkit exists, and what a machine's own firewall or proxy lets through.
""",
    "exit codes": """\
Every command ends with one of these codes. They are part of the interface: a code keeps its meaning.

## Exit codes""",
    "errors": """\
## Errors

Indented errors are kinds of the one above them. `code` is for programs; "may succeed later" means that the same call
may work again without anybody changing anything.""",
    "error as JSON": """\
## As JSON

With `--json` an error is one object on standard output. `hint` says what to do next and may be empty; errors of AWS add
`aws_code`, a lack of capacity adds one refusal for each pool that was tried, a rate limit adds `reset`. Words that a command
does not understand have the code `usage`, and exit code 2.""",
    "events": """\
What happens is told as events: facts, in the past tense. People read them as sentences on standard error. With
`--json`, or with `RUNNERKIT_LOG=json`, each is one line of JSON there instead; any other value of `RUNNERKIT_LOG` gives
plain log lines. Programs that import runnerkit pass any object with an `emit(event)` method.""",
    "metrics": """\
What `/metrics` of [`runnerkit serve`](serve.md#metrics) tells Prometheus. Counters begin at zero with the process. A
label has few values: no job, run, runner or instance is one.""",
    "event fields": """\
`runner` is the name that joins instance and runner, `repo` is `owner/name`, `price` is US dollars an hour.""",
    "configuration": """\
Settings are read from four places; the later one wins, key by key:

1. GitHub's own variables: `GITHUB_API_URL`, `GITHUB_TOKEN` or `GH_TOKEN` (the second wins), `GITHUB_REPOSITORY` (the
   one repository to serve).
2. The file: `--config`, else `RUNNERKIT_CONFIG`, else `runnerkit.toml` in the current folder, else `[tool.runnerkit]`
   of `pyproject.toml` there. One file is read, not several.
3. `RUNNERKIT_*` variables: the key's path in capitals, joined by two underscores. `RUNNERKIT_AWS__OWNER=ml` is `owner`
   in `[aws]`. Lists are separated by commas.
4. Options of the command.

AWS's own variables and files (`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `~/.aws/config` ...) are read by boto3
itself and count where nothing is set here.

An unknown key is an error, and every error names the place, the key and the reason. `runnerkit config check` reads
everything and says whether it can be used; `runnerkit config show` tells where each value came from.

```toml
[aws]
owner = "ml"
regions = ["eu-west-1", "eu-central-1"]
image = "train"

[aws.images.train]
name = "runnerkit-train-*"

[github]
repositories = ["acme/widgets"]

[policy]
max_machines = 8
max_price = 2.5
gpus = ["t4", "a10g", "l4"]

[default]
spot = "prefer"
disk = "100gb"

[specs.train]
gpu = "t4+l4"
life = "12h"
```

Durations are whole seconds in `[policy]` and texts such as `12h` in wishes. One key stands above all sections:
`arrays` (true or false, default `false`) lets `runs-on: [self-hosted, runnerkit, gpu=t4]` ask for a machine, see
[labels](labels.md#other-labels-beside-ours).""",
    "wishes": """\
## `[default]` and `[specs.NAME]`

A wish in the words of a [label](labels.md): every key is one of the table, every value a text. `[default]` fills what
no label says. `[specs.NAME]` is what `spec=NAME` stands for; other keys of that label override it.""",
    "variables": """\
## Other variables

These are not settings: they say where to look for settings, where to keep things, and whom a job tells.""",
    "commands": """\
What `--help` says, for every command. How commands end is explained in [exit codes](exit-codes.md), what they read in
[configuration](configuration.md), what they tell in [events](events.md).""",
}

ENVIRONMENT = {
    "RUNNERKIT_CONFIG": "the configuration file, when `--config` is not given",
    "RUNNERKIT_STATE_DIR": "the folder of the journal (default: `runnerkit` in `XDG_STATE_HOME`, else in "
    "`~/.local/state`)",
    "RUNNERKIT_CACHE_DIR": "the folder of remembered answers of AWS (default: `runnerkit` in `XDG_CACHE_HOME`, else in "
    "`~/.cache`)",
    "RUNNERKIT_PARAMETERS": "for the [Lambda function](aws.md): the path below which SSM parameters are settings",
    "RUNNERKIT_NOTIFY": "the targets of [notifications](notify.md), separated by spaces or commas",
    "RUNNERKIT_NOTIFY_ON": "the moments of which `dvc run` tells them; all by default",
    "RUNNERKIT_NOTIFY_SECRET": "the secret that signs what goes to targets `webhook:`",
    "RUNNERKIT_LOG": "`json` or `text`: tell events as a log instead of sentences",
}

MEANINGS = {
    "aws": {
        "owner": "the installation: machines carry it in the tag `runnerkit:owner`, and no others are touched",
        "regions": "where to launch, in this order; empty: the region of AWS's own configuration",
        "profile": "the profile of AWS's own configuration to use",
        "endpoint_url": "another address for all AWS calls",
        "subnets": "where to launch, one a zone; empty: the default subnets",
        "security_groups": "the machines' security groups; empty: `runnerkit-OWNER`, which is made and lets nothing in",
        "image": "the name (or AMI id) of the image when a wish names none; not set: the newest of this account with "
        "the tag `runnerkit:recipe`, else a stock one (Ubuntu 24.04; for GPUs AWS's Deep Learning Base on it)",
        "images": "named images for `image=`",
        "tags": "further tags for everything that is launched",
        "secrets": "how a machine gets its JIT configuration: `user-data`, or `ssm` (Parameter Store), which lets jobs "
        "of one label set be started by one call; see [bursts](machine.md#bursts)",
        "instance_profile": 'with `secrets = "ssm"`: name or ARN of the instance profile whose role carries '
        "[our statement](machine.md#the-role)",
        "ssm_profiles": "patterns of profiles that a wish may name with `profile=` and whose role carries our "
        "statement, too; machines with another profile get their secret in user data",
    },
    "aws.images.NAME": {
        "ami": "the AMI's id",
        "name": "a pattern of image names; the newest one counts",
        "ssm": "a public SSM parameter that holds the AMI's id",
        "arch": "`x64` or `arm64`",
        "owner": "whose images `name` looks at: `self`, an account's number, or an alias such as `amazon`",
    },
    "github": {
        "api_url": "where the REST API is; `https://HOST/api/v3` for GitHub Enterprise Server",
        "token": "a fine-grained token with `administration: write` and `actions: write` on the repositories",
        "app_id": "the GitHub App to be, instead of a token",
        "installation_id": "its installation; not set: it is looked up",
        "private_key": "the App's private key as PEM text",
        "private_key_file": "the file with it",
        "repositories": "the repositories to serve, as `owner/name`",
        "organization": "the organisation whose runner group is used",
        "runner_group": "the runner group to register in; not set: runners belong to one repository each",
        "recovery": "who repeats runs that AWS interrupts, see [spot](spot.md); `detect` looks for them",
    },
    "ami": {
        "ssh_from": "the network (CIDR) that may reach a builder; not set: this machine's public address",
        "ssh_port": "the port to connect to",
        "private": "use the builder's private address: you bake from within its network",
        "reach_within": "seconds from the launch until the builder must be reached",
        "image_within": "seconds until EC2 must have made the image",
        "keep": "seconds a builder waits after a failed step",
        "silence": "seconds a builder lives without a word from the baker",
        "life": "seconds a builder lives at most",
        "poll": "seconds between two looks at AWS",
    },
    "journal": {
        "where": "a file, or `s3://BUCKET/PREFIX` ([what that takes](aws.md#the-journal-on-s3)); empty: a file in the "
        "state folder",
        "kept_days": "days after which an entry is dropped; breaker and memory keep theirs for three days at most",
    },
    "serve": {
        "bind": "the IP address to listen on; `0.0.0.0` for all of this machine's",
        "port": "the port; 0 for any that is free",
        "interval": "seconds between two passes when nothing wakes the loop",
        "webhook_secrets": "the secrets that webhooks are signed with; a second one while the first is replaced",
        "public_url": "the webhook's address as GitHub has it, such as `https://runners.example.org/hooks`; not set: "
        "lost webhooks are not asked for again",
        "trusted_proxy": "the IP address of the proxy in front; its `X-Forwarded-*` headers are believed",
        "page_password": "what the status page and the metrics ask for; not set: they are shown at this machine only",
        "workers": "threads that answer requests",
        "stop_within": "seconds for the pass under way when the service is told to end",
    },
    "policy": {
        "online_within": "seconds from the launch until the runner must be online",
        "online_within_unbaked": "the same for images that are not baked",
        "idle": "seconds a machine waits for its job when the label does not say",
        "max_idle": "the most seconds a label may ask for with `idle=`",
        "max_life": "seconds a machine may live; a label can only shorten it",
        "settle": "seconds in which a new machine or runner may be missing from lists",
        "confirm": "seconds between seeing that a runner is gone and acting on it",
        "lost_within": "seconds a runner may be offline before its machine is retired",
        "max_machines": "most machines of this owner at once; 0 launches nothing",
        "max_machines_per_repo": "most machines of one repository at once",
        "max_tries": "most machines launched for one job",
        "max_reruns": "most times a run is repeated because AWS took back the machine of one of its jobs",
        "max_price": "most dollars an hour for one machine",
        "dollars_per_day": "most dollars a day (UTC) for everything together; then nothing is launched until midnight",
        "breaker_failures": "after so many failed launches of one label ...",
        "breaker_window": "... within so many seconds ...",
        "breaker_pause": "... nothing is launched for it for so many seconds",
        "spot_breaker_interruptions": "after so many interruptions of the same wish ...",
        "spot_breaker_window": "... within so many seconds ...",
        "spot_breaker_pause": "... it is bought on demand for so many seconds, unless it says `spot=only`",
        "backoff_limit": "longest pause, in seconds, between two searches for a wish that cannot be had; each search "
        "that finds nothing doubles the pause, which begins at `refusal_memory`",
        "refusal_memory": "seconds for which a pool that AWS refused is not tried again",
        "gpus": "the GPU models that labels may name; empty: any",
        "types": "the instance types they may name, with `*` and `?`; empty: any",
        "regions": "the regions they may name; empty: any",
        "images": "the images they may name; empty: any",
        "profiles": "the IAM instance profiles they may name, with `*` and `?`; empty: **none**",
        "specs": "the named specs that labels may use; empty: any",
        "specs_only": "labels must name a spec",
        "require_environment": "environments, with `*` and `?`, one of which must have let a job through; empty: none "
        "is required",
        "public_repositories": "serve jobs of public repositories",
        "forks": "serve jobs that run a fork's code",
        "pull_request_target": "serve jobs triggered by `pull_request_target`",
        "merge_queue_spot": "use spot for jobs of a merge queue, which throws a change out at the first interruption",
        "repositories": 'other bounds for some repositories: `[policy.repositories."acme/*"]`, see below',
    },
    'policy.repositories."OWNER/*"': {
        "max_machines": "most machines at once of all repositories that this entry covers",
        "dollars_per_day": "most dollars a day of all repositories that this entry covers",
        "max_price": "as in `[policy]`",
        "max_life": "as in `[policy]`",
        "max_idle": "as in `[policy]`",
        "max_reruns": "as in `[policy]`",
        "gpus": "as in `[policy]`",
        "types": "as in `[policy]`",
        "regions": "as in `[policy]`",
        "images": "as in `[policy]`",
        "profiles": "as in `[policy]`",
        "specs": "as in `[policy]`",
        "specs_only": "as in `[policy]`",
        "require_environment": "as in `[policy]`",
        "public_repositories": "as in `[policy]`",
        "forks": "as in `[policy]`",
        "pull_request_target": "as in `[policy]`",
        "merge_queue_spot": "as in `[policy]`",
    },
}

USES = {
    Use.RUNNERS: "launching, watching and ending machines: `launch`, `once`, `run`, `serve`, `status`, `logs`, `sweep`",
    Use.BURST: 'machines that read their secret from Parameter Store (`secrets = "ssm"`), and bursts',
    Use.CONNECT: "a shell on a machine: `runnerkit connect`",
    Use.BAKE: "images: `runnerkit ami`",
    Use.JOURNAL: "a journal under an S3 prefix",
    Use.DOCTOR: "what `runnerkit doctor` reads beyond that",
    Use.BATCH: "jobs on AWS Batch: `runnerkit batch`",
    Use.JOB: "the job itself: the DVC remote, and what a job keeps beside it",
    Use.NOTIFY: "messages to SNS",
    Use.MACHINE: "the role of a machine itself, which reads and deletes its own parameter and can do nothing else",
    Use.LAMBDA: "the controller on AWS Lambda, for its own log, queue and secrets",
    Use.SETUP: "`runnerkit setup aws`; who makes roles is an administrator all the same",
}
EXAMPLE_PLACE = Place(
    account="123456789012",
    regions=("eu-central-1",),
    roles=("arn:aws:iam::123456789012:role/runnerkit-runnerkit-machine",),
    journal="acme-journal/runnerkit",
    data="acme-models/dvc",
    topics=("arn:aws:sns:eu-central-1:123456789012:runs",),
)
