// Package run is one execution of a job, from the job file to the run record.
//
// The words, in the order in which a run makes them:
//
//   - [Config]: the job of one date and the world in which it runs.
//   - [Input]: what there is to read. [Prepare] makes it and returns every refusal that needs no scorer; run, plan,
//     doctor, validate, inspect and verify all call it or its steps.
//   - [Session]: the connection and the local workers. A [Lender] lends it, so that the dates of a backfill share one.
//   - [Served]: what scores, as far as it is known.
//   - [Contract]: what input, model and existing parts agree on. It decides every byte of the parts.
//   - [PlanFile]: a plan that was fixed, so that many runs share it.
//   - [Ended]: the run record, and what only the caller wants to know.
//
// [Execute] is the whole way; with Config.Task the way of one of several processes that fill an output at once, which makes
// its own parts and judges nothing, and with Config.Finish that of who ends what these have begun, which scores nothing. [ExitCode] is the one table from errors to exit codes.
//
// Decision: a run is made of values that are each made once. A run that ends early has the empty value of every
// later step, and its record is written all the same. Price: a record of a run that could not connect has empty
// settings instead of none.
package run
