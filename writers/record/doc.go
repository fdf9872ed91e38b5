// Package record is the JSON of runs and backfills in the _runs of an output: [Run] in <run id>.json, [Backfill] in
// backfill-<id>.json. These are the only files of an output that speak of time and machines. Every key is always
// written; a reader ignores keys that it does not know. The last 100 of each kind stay.
package record
