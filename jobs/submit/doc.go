// Package submit runs the shards of a job as array jobs of an engine that exists already, such as Slurm.
//
// The engine places tasks and starts them; graphscore reads, scores and commits. What is done is what the footers of the
// parts say, never what the engine reports: [Submission.Execute] asks which shards lack parts, submits these, follows
// them, submits again those that failed for a reason that may pass, and names the others. The state is in the output
// before each wait, so that a second submit continues where the first one died and submits nothing twice.
package submit
