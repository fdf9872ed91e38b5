#!/bin/sh
# The array job of aws-batch.json: aws-batch.sh start QUEUE [SHARDS], and aws-batch.sh finish QUEUE [SHARDS] once all its
# jobs have ended, well or not. It prints the ids of the jobs.
set -eu
usage="usage: aws-batch.sh start|finish QUEUE [SHARDS]"
what=${1:?$usage} queue=${2:?$usage} shards=${3:-8}

submit() { # NAME, and the other options of submit-job
  name=$1
  shift
  aws batch submit-job --job-name "$name" --job-queue "$queue" --job-definition molecules --query jobId --output text "$@"
}

case $what in
start)
  aws batch register-job-definition --cli-input-json "file://$(dirname "$0")/aws-batch.json" >/dev/null
  plan=$(submit molecules-plan --container-overrides \
    '{"command": ["graphscore", "plan", "/srv/graphscore/job.yaml", "--out", "/srv/graphscore/plan.json"]}')
  echo "$plan"
  submit molecules --array-properties "size=$shards" --depends-on "jobId=$plan"
  ;;
finish)
  submit molecules-finish --container-overrides \
    '{"command": ["graphscore", "finish", "/srv/graphscore/job.yaml", "--plan", "/srv/graphscore/plan.json", "--shards", "'"$shards"'"]}'
  ;;
*)
  echo "$usage" >&2
  exit 64
  ;;
esac
