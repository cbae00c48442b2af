#!/bin/sh
# Runs scripts/run.sh on AWS Batch, on what the variables of the job ask for.
set -eu

set -- --image "$CODE" --job-role "$JOB_ROLE" --timeout "$LIFE"
if [ -n "${SECRET:-}" ]; then
  set -- "$@" --registry-secret "$SECRET" --execution-role "$EXECUTION_ROLE"
fi
if [ -n "${GPU:-}" ]; then
  set -- "$@" --gpu "$GPU"
fi
if [ -n "${TYPE:-}" ]; then
  set -- "$@" --types "$(echo "$TYPE" | tr + ,)"
fi
if [ "${SPOT:-}" = never ]; then
  set -- "$@" --on-demand
fi
for name in RUN_TYPE RUN_NOTE CV_ENABLE SUBSET_ENABLE REPRO_INGEST ITERATIONS GPU TYPE SPOT DISK \
  GITHUB_REPOSITORY GITHUB_RUN_ID GITHUB_RUN_ATTEMPT GITHUB_SHA GITHUB_REF_NAME GITHUB_SERVER_URL; do
  set -- "$@" --env "$name"
done

exec runnerkit batch run "$@" -- sh scripts/run.sh
