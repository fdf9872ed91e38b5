//go:build race

package run

// simCount is how many schedules are played where SIM_COUNT does not say it. The race detector makes each ten times as long.
const simCount = 6
