#!/bin/bash
# One shard of job.yaml as a task of an array job of Slurm, PBS, Grid Engine or LSF, which all read their own lines here
# (Slurm reads those of PBS and LSF as well, and refuses them, but for --ignore-pbs).
# Before it: graphscore plan job.yaml --out plan.json     After it: graphscore finish job.yaml --plan plan.json --shards 8
#SBATCH --ignore-pbs --job-name=molecules --array=0-7 --cpus-per-task=2 --mem=4G --time=02:00:00 --requeue
#PBS -N molecules -J 0-7 -l select=1:ncpus=2:mem=4gb -l walltime=02:00:00 -r y
#$ -N molecules -t 1-8 -pe smp 2 -l h_rt=02:00:00 -cwd -r y
#BSUB -J "molecules[1-8]" -n 2 -R "span[hosts=1]" -W 2:00 -r
SHARDS=8 # as many as the array has
TRIES=${TRIES:-4} WAIT=${WAIT:-30}
PERMANENT="1 3 4 64 65 66 70 73 76 77 78"

if [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then
  index=$SLURM_ARRAY_TASK_ID
elif [ -n "${PBS_ARRAY_INDEX-}" ]; then
  index=$PBS_ARRAY_INDEX
  cd "${PBS_O_WORKDIR:-.}" || exit 66
elif [ "${LSB_JOBINDEX:-0}" != 0 ]; then
  index=$((LSB_JOBINDEX - 1))
elif [ "${SGE_TASK_ID:-undefined}" != undefined ]; then
  index=$((SGE_TASK_ID - 1))
else
  echo "array.sh: no variable of Slurm, PBS, LSF or Grid Engine says which task this is: submit it as an array job" >&2
  exit 64
fi

# Engines try again what ended with its node (--requeue, -r), not what ended with a code.
export GRAPHSCORE_SHARD=$index/$SHARDS
for ((try = 1; ; try++)); do
  graphscore run job.yaml --plan plan.json --workers 2 --quiet --shard auto
  code=$?
  case " 0 $PERMANENT " in *" $code "*) exit $code ;; esac
  [ $try -lt "$TRIES" ] || exit $code
  sleep "$WAIT"
done
