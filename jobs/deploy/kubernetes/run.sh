#!/bin/sh
# Plan, shards and finish, each once the one before has ended. It deletes the Jobs of the last time and their pods first.
# It ends with the code of finish, which names what is missing, or with that of the plan where that failed; with 69 where
# kubectl fails. Ended early, it leaves the Jobs alone.
set -u
cd "$(dirname "$0")" || exit 66
EVERY=${EVERY:-5} # seconds between two looks at a Job

ended() { # waits for the end of a Job: 0 where it is complete, 1 where it failed
  misses=0
  while :; do
    if state=$(kubectl get "job/$1" -o 'jsonpath={.status.conditions[?(@.status=="True")].type}'); then
      misses=0
    else
      misses=$((misses + 1))
      [ $misses -lt 20 ] || exit 69
    fi
    case " $state " in
    *" Complete "*) return 0 ;;
    *" Failed "*) return 1 ;;
    esac
    sleep "$EVERY"
  done
}

fails() { # names a Job that failed, and ends with the code of its last pod, 69 where that has none
  codes=$(kubectl get pods -l "batch.kubernetes.io/job-name=$1" --sort-by=.metadata.creationTimestamp \
    -o 'jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}')
  code=${codes##* }
  echo "the Job $1 failed: the code of its last pod is ${code:-not known}; see kubectl logs job/$1" >&2
  [ "${code:-0}" != 0 ] || code=69
  exit "$code"
}

kubectl delete --ignore-not-found --cascade=foreground -f plan.yaml -f score.yaml -f finish.yaml || exit 69
kubectl create -f plan.yaml || exit 69
ended molecules-plan || fails molecules-plan
kubectl create -f score.yaml || exit 69
ended molecules || echo "not all shards ended well: finish names what is missing" >&2
kubectl create -f finish.yaml || exit 69
ended molecules-finish || fails molecules-finish
