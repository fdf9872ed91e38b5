// Package cluster tries submit with a real Slurm: two nodes on this machine, of daemons that the tests start (build tag
// slurm). It needs Debian's slurmctld, slurmd, slurm-client and munge, and root.
package cluster
