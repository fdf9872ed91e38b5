package jobs

// Ping says what a monitor that is pinged hears. Its URL is a secret, and none of the job's.
type Ping struct {
	// Partly is "success" (default) or "failure": what a run is that did not score some graphs or files (3).
	Partly string `yaml:"partly"`
}

// What ping.partly may be.
const (
	PartlySuccess = "success"
	PartlyFailure = "failure"
)
