#!/bin/sh
# Runs the pipeline as the variables of the job say, on a runner and on Batch alike.
set -eu

# In a container the checkout belongs to another user; git, and with it DVC, must be told that this is right.
git config --global --add safe.directory "$PWD"

set -- --lock s3 --type "${RUN_TYPE:-test}" --note "${RUN_NOTE:-}"
if [ -n "${ROLE:-}" ]; then
  set -- "$@" --role-arn "$ROLE"
fi
if [ "${REPRO_INGEST:-}" = true ]; then
  set -- "$@" --unfreeze ingest --force ingest
fi
if [ "${CV_ENABLE:-}" = true ]; then
  set -- "$@" -S cv.enable=true
fi
if [ "${SUBSET_ENABLE:-}" = true ]; then
  set -- "$@" -S subset.enable=true
fi
if [ -n "${ITERATIONS:-}" ]; then
  set -- "$@" -S "train.iterations=$ITERATIONS"
fi

echo "A run of type ${RUN_TYPE:-test} on ${GPU:-}${TYPE:-} (spot: ${SPOT:-}, disk: ${DISK:-}): ${RUN_NOTE:-}"
exec runnerkit dvc run "$@"
