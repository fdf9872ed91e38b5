//go:build !race

package run

// simCount is how many schedules are played where SIM_COUNT does not say it.
const simCount = 40
