// Package preflight says how a run would end before it begins, and changes nothing.
//
//   - [Plan] forecasts a run from the footers of input and output: a [Forecast]. With samples it measures speed,
//     memory and output as well: a [Calibration].
//   - [Foresee] does so for a date of a backfill; [CheckDates] looks at what the backfill needs before its first date.
//   - [Check] looks at everything that a run needs, one thing after the other, and goes on where one fails: [Findings].
//
// They end with the error that the run would end with before its first score. They call the steps of package run
// (CheckJob, CheckPaths, ReadPlan, Connect or Describe, Fit, Compare), and look at the port, the folder and the lock
// in the order in which a run takes them.
//
// Decision: for a model folder Plan reads the files, and looks for Python only where the user names one. That no worker
// can be started is for Check, or for a plan with samples. Price: a plan without them passes where a run ends with 69.
package preflight
