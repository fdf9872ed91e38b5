#!/bin/sh
# graphscore for a test, as the engines of jobs/deploy start it: GRAPHSCORE_REAL is the program. The first try of shard 1
# cannot reach its scorer, that of shard 2 is killed, that of shard 5 finds a lock. Each try is a line of the file TRIED.
for word; do
  [ "$before" = --shard ] && shard=$word
  before=$word
done
[ "$shard" = auto ] && shard=${GRAPHSCORE_SHARD-}${JOB_COMPLETION_INDEX-}${AWS_BATCH_JOB_ARRAY_INDEX-}${CLOUD_RUN_TASK_INDEX-}
index=${shard%%/*}
if [ -n "$index" ]; then
  grep -qx "$index" "$TRIED" || first=yes
  echo "$index" >>"$TRIED"
  case $first$index in
  yes1) exit 69 ;;
  yes2) kill -9 $$ ;;
  yes5) exit 75 ;;
  esac
fi
exec "$GRAPHSCORE_REAL" "$@"
