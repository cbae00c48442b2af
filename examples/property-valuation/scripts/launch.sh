#!/bin/sh
# Launches the machine that the variables of the job ask for, and waits until its runner is there.
set -eu

more="${GPU:+/gpu=$GPU}${TYPE:+/type=$TYPE}${IMAGE:+/image=$IMAGE}"
exec runnerkit launch --wait --runs-on "runnerkit=$GITHUB_RUN_ID/spot=$SPOT/disk=$DISK/life=$LIFE$more"
