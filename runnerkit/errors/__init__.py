"""What can go wrong, as a tree that callers can act on.

::

    RunnerkitError
    ├── ConfigError              what a person wrote cannot be used
    │   ├── LabelError           ... in a ``runs-on`` label
    │   ├── NotOffered           a wish that nothing on offer there can fulfil
    │   ├── MachineUnknown       no machine of ours, or not only one, is meant by a name
    │   ├── NothingKnown         nothing is known of what was asked about
    │   └── NoSession            something that a session on a machine needs is missing
    ├── PolicyRefused            understood, but not allowed here
    ├── LeaseExpired             a deadline passed: the runner did not come online in time
    ├── CloudError
    │   ├── NoCapacity           every offering was refused; carries the refusals
    │   ├── LaunchRejected       AWS will never accept this launch as it is
    │   │   └── ImageMissing
    │   ├── CloudDenied          credentials or a permission
    │   ├── CloudThrottled       AWS asks for fewer calls
    │   └── CloudUnavailable     AWS's side, or the road to it
    ├── ForgeError
    │   ├── RunnerBusy           GitHub says that a job is running there
    │   ├── NameTaken            a runner of that name is registered
    │   ├── NotFound             no such repository, run, job or runner (or not for this token)
    │   ├── ForgeRejected        GitHub will never accept this request as it is
    │   │   └── RunnerOutdated   the image's runner is so old that GitHub gives it no job
    │   ├── ForgeDenied          token, or a permission
    │   ├── RateLimited          stop calling until ``reset``
    │   └── ForgeUnavailable     GitHub's side, or the road to it
    ├── BakeError                an image could not be baked; see runnerkit.baking.errors
    └── JobError                 inside the job
        ├── PipelineFailed       a stage failed, or DVC did; nothing is wrong with the machine
        │   └── OutputsMissing   DVC says that all is well, but declared outputs do not exist
        ├── NotPushed            the pipeline is done, but its results are not on the remote
        ├── NotTold              a message did not arrive at somebody who should have been told
        ├── LockStale            the lock of a run belongs to another commit than the one it should go to
        ├── GateFailed           a metric is missing, out of its bounds, or worse than allowed
        ├── PromotionRefused     a model version that must not go to a stage as things are
        ├── SpotInterrupted      AWS takes the machine; what was finished is pushed
        └── JobCancelled         the job was cancelled, or somebody pressed Ctrl-C

``code`` is stable and meant for programs, ``hint`` says what to do next, ``exit_code`` is what commands end with,
``retryable`` tells whether the same call may succeed later without anybody changing anything.
"""

from runnerkit.errors.cloud import (
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    ImageMissing,
    LaunchRejected,
    NoCapacity,
)
from runnerkit.errors.forge import (
    ForgeDenied,
    ForgeError,
    ForgeRejected,
    ForgeUnavailable,
    NameTaken,
    NotFound,
    RateLimited,
    RunnerBusy,
    RunnerOutdated,
)
from runnerkit.errors.job import (
    GateFailed,
    JobCancelled,
    JobError,
    LockStale,
    NotPushed,
    NotTold,
    OutputsMissing,
    PipelineFailed,
    PromotionRefused,
    SpotInterrupted,
)
from runnerkit.errors.words import (
    AILING,
    EXIT_CODES,
    WORK,
    ConfigError,
    LabelError,
    LeaseExpired,
    MachineUnknown,
    NoSession,
    NothingKnown,
    NotOffered,
    PolicyRefused,
    RunnerkitError,
)

__all__ = [
    "AILING",
    "EXIT_CODES",
    "WORK",
    "CloudDenied",
    "CloudError",
    "CloudThrottled",
    "CloudUnavailable",
    "ConfigError",
    "ForgeDenied",
    "ForgeError",
    "ForgeRejected",
    "ForgeUnavailable",
    "GateFailed",
    "ImageMissing",
    "JobCancelled",
    "JobError",
    "LabelError",
    "LaunchRejected",
    "LeaseExpired",
    "LockStale",
    "MachineUnknown",
    "NameTaken",
    "NoCapacity",
    "NoSession",
    "NotFound",
    "NotOffered",
    "NotPushed",
    "NotTold",
    "NothingKnown",
    "OutputsMissing",
    "PipelineFailed",
    "PolicyRefused",
    "PromotionRefused",
    "RateLimited",
    "RunnerBusy",
    "RunnerOutdated",
    "RunnerkitError",
    "SpotInterrupted",
]
