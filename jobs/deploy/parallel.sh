#!/usr/bin/env bash
# All shards of a job on this machine with GNU parallel, then finish: parallel.sh JOB.yaml [SHARDS [AT_ONCE]]
# A shard that ends with a permanent code is not run again, with any other one it is tried TRIES times, WAIT seconds apart.
# Once MAX_FAILED shards have failed for good no further one begins. The codes are in shards.log. It ends with the code of
# finish, which names what is missing. SIGTERM, SIGINT and SIGHUP end its shards first, and there is no finish.
set -u
export JOB=${1:?usage: parallel.sh JOB.yaml [SHARDS [AT_ONCE]]} SHARDS=${2:-8} PLAN=${PLAN:-plan.json} WAIT=${WAIT:-10}
export GRAPHSCORE=${GRAPHSCORE:-graphscore} PERMANENT="1 3 4 64 65 66 70 73 76 77 78"
FAILED=$(mktemp -d) || exit 74
export FAILED
trap 'rm -rf "$FAILED"' EXIT

run() { # a command, waited for so that a trap runs at once
  "$@" &
  wait $!
}

stop() { # ends what runs, then this script with a code
  touch "$FAILED/stop" # GNU parallel does not hear SIGTERM before its first job
  kill -TERM $(jobs -pr) 2>/dev/null
  wait
  exit "$1"
}
trap 'stop 143' TERM
trap 'stop 130' INT
trap 'stop 129' HUP

shard() {
  [ ! -e "$FAILED/stop" ] || return 143
  if [ -e "$FAILED/$1" ]; then
    return "$(cat "$FAILED/$1")" # parallel tries every failure again
  fi
  "$GRAPHSCORE" run "$JOB" --plan "$PLAN" --workers 1 --quiet --shard "$1/$SHARDS"
  local code=$?
  case " 0 $PERMANENT " in
  *" $code "*) [ $code = 0 ] || echo $code >"$FAILED/$1" ;;
  *) sleep "$WAIT" ;;
  esac
  return $code
}
export -f shard

export PARALLEL_SHELL=$BASH
run "$GRAPHSCORE" plan "$JOB" --out "$PLAN" || exit
run parallel --jobs "${3:-4}" --retries "${TRIES:-4}" --joblog shards.log --halt "soon,fail=${MAX_FAILED:-3}" \
  --termseq TERM,30000,KILL shard ::: $(seq 0 $((SHARDS - 1)))
run "$GRAPHSCORE" finish "$JOB" --plan "$PLAN" --shards "$SHARDS"
