// Package supply compares what graphscore is built of with the advisories that are known, and its lists with each other.
// It has tests only.
package supply
