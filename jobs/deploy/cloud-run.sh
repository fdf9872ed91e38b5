#!/bin/sh
# Plan, all tasks of cloud-run.yaml, and finish: cloud-run.sh REGION. It waits for each of them, and ends with 1 where the
# last one failed: its log has the code.
set -eu
region=${1:?usage: cloud-run.sh REGION}

execute() {
  gcloud run jobs execute molecules --region "$region" --wait "$@"
}

gcloud run jobs replace "$(dirname "$0")/cloud-run.yaml" --region "$region"
execute --tasks 1 --args plan,/srv/graphscore/job.yaml,--out,/srv/graphscore/plan.json
execute || echo "not all tasks ended well: finish names what is missing" >&2
execute --tasks 1 --args finish,/srv/graphscore/job.yaml,--plan,/srv/graphscore/plan.json,--shards,8
