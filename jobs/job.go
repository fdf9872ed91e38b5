package jobs

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
)

// Job is what to do. The zero value of a field means its default.
type Job struct {
	// Path is the file that the job comes from, "" for a job of flags.
	Path string `yaml:"-"`

	// Name names the job in records, logs and metrics. Default: the name of the file without its ending, of a file
	// job.yaml that of its folder; "job" for a job of flags.
	Name   string `yaml:"name"`
	Input  Input  `yaml:"input"`
	Output Output `yaml:"output"`
	// Model is scored by workers that graphscore starts on this machine, unless Server is set.
	Model Model `yaml:"model"`
	// Server names running servers.
	Server Server `yaml:"server"`
	// Workers is the number of local workers. Default: what the CPUs of the cgroup leave busy.
	Workers int    `yaml:"workers"`
	Limits  Limits `yaml:"limits"`
	// OnOrphan is "keep" (default), "refuse" or "prune": what to do with parts whose input does not exist any more.
	OnOrphan string `yaml:"on_orphan"`
	// OnChange is "refuse" (default) or "rescore": what to do with parts of another input, model or setting.
	OnChange string `yaml:"on_change"`
	// Partition is the length of a {date}: "day" (default), "hour", "week" or "month".
	Partition Unit `yaml:"partition"`
	// Timezone is the IANA name of the zone whose wall clock dates follow. Default: UTC.
	Timezone string `yaml:"timezone"`
	// Metrics says where Prometheus finds the figures of a run.
	Metrics Metrics `yaml:"metrics"`
	// Ping says what a monitor that is pinged hears.
	Ping Ping `yaml:"ping"`
	// Gates are what the output must pass.
	Gates Gates `yaml:"gates"`
	// Submit says how shards are submitted to an engine.
	Submit Submit `yaml:"submit"`

	// Series is set by On.
	Series *Series `yaml:"-"`
}

// Input says what to read.
type Input struct {
	// Path is a file, a folder, a ** glob, or a list of them; in a list of several, each has a name.
	Path Paths `yaml:"path"`
	// Optional lets a run end with 0 where nothing matches, instead of 66.
	Optional bool `yaml:"optional"`
	// Layout is "auto" (default) or "rows".
	Layout string `yaml:"layout"`
	// Columns has the names of the columns in the files. A name that is empty means one of the usual names.
	Columns Columns `yaml:"columns"`
	// Fingerprint is "fast" (default) or "full".
	Fingerprint string `yaml:"fingerprint"`
	// Require is the name of a file that every folder has, or one above it in the input, once its writer has finished,
	// such as _SUCCESS. Default: none.
	Require string `yaml:"require"`
	// ShardBytes is about how much input makes a shard. Default 256 MiB.
	ShardBytes Size `yaml:"shard_bytes"`
}

// What on_orphan may be.
const (
	OrphanKeep   = "keep"
	OrphanRefuse = "refuse"
	OrphanPrune  = "prune"
)

// Output says where the parts go.
type Output struct {
	Path string `yaml:"path"`
	// Embed is the name of a step of the model whose values are written beside the scores. Default: none.
	Embed string `yaml:"embed"`
}

// Model is a model folder, or the version of a model that a server cannot describe.
type Model struct {
	Path string `yaml:"path"`
	// Version is recorded in the footers in the place of the digest, for protocol gcn.
	Version string `yaml:"version"`
}

// The protocols by their names in a job. What each can do is declared in pipeline/remote.
const (
	protocolNative = "native"
	protocolGCN    = "gcn"
)

// How columns reach local workers, by the names in a job.
const (
	// TransportAuto is TransportShared where that is possible, and TransportInline elsewhere.
	TransportAuto = "auto"
	// TransportInline puts columns into the messages of calls, as for servers elsewhere.
	TransportInline = "inline"
	// TransportShared puts them into memory that graphscore and its workers map, or ends the run.
	TransportShared = "shared"
)

// Server names running servers.
type Server struct {
	// Addresses are host:port or unix:/path.
	Addresses []string `yaml:"addresses"`
	// Protocol is "native" (default) or "gcn".
	Protocol string `yaml:"protocol"`
	TLS      *TLS   `yaml:"tls"`
	// TokenFile has the bearer token of every call. It is sent over TLS only.
	TokenFile string `yaml:"token_file"`
}

// TLS turns TLS on. Without CA the system's certificates count.
type TLS struct {
	// CA, Cert and Key are PEM files.
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ServerName is expected in the server's certificate instead of the host of the address.
	ServerName string `yaml:"server_name"`
}

// Limits bounds memory and time.
type Limits struct {
	// MessageBytes is the largest message in either direction. Default 64 MiB.
	MessageBytes Size `yaml:"message_bytes"`
	// InFlightBytes bounds the requests that are read and not yet written. Default 64 MiB.
	InFlightBytes Size `yaml:"in_flight_bytes"`
	// RequestBytes is the size up to which graphs share a request. Default 2 MiB, as much as is read at once.
	RequestBytes Size `yaml:"request_bytes"`
	// WorkerMemory is how much anonymous memory a local worker may take before it is replaced; 0: any.
	WorkerMemory Size `yaml:"worker_memory"`
	// Transport is how columns reach local workers: "auto" (default), "inline" or "shared".
	Transport string `yaml:"transport"`
	// Deadline is the time for one scoring call. Default 60 s.
	Deadline Duration `yaml:"deadline"`
	// RetryBudget is the time after which a batch that keeps failing ends the run. Default 60 s.
	RetryBudget Duration `yaml:"retry_budget"`
	// RunDeadline is the time after which a run, or a backfill, ends. Default: none.
	RunDeadline Duration `yaml:"run_deadline"`
	// MaxQuarantined is how many graphs may be in quarantine before a run ends early; nil: any.
	MaxQuarantined *Allowance `yaml:"max_quarantined"`
}

// WithDefaults returns a copy with every unset field at its default, Workers excepted.
func (j Job) WithDefaults() Job {
	if j.Name == "" {
		j.Name = nameOf(j.Path)
	}
	setDefault(&j.Input.Layout, graph.LayoutAuto)
	setDefault(&j.Input.Fingerprint, "fast")
	setDefault(&j.Input.ShardBytes, 256<<20)
	setDefault(&j.Server.Protocol, protocolNative)
	setDefault(&j.OnChange, "refuse")
	setDefault(&j.OnOrphan, OrphanKeep)
	setDefault(&j.Ping.Partly, PartlySuccess)
	setDefault(&j.Limits.MessageBytes, 64<<20)
	setDefault(&j.Limits.InFlightBytes, 64<<20)
	setDefault(&j.Limits.RequestBytes, 2<<20)
	setDefault(&j.Limits.Transport, TransportAuto)
	setDefault(&j.Limits.Deadline, Duration(time.Minute))
	setDefault(&j.Limits.RetryBudget, Duration(time.Minute))
	return j
}

const noName = "job"

// nameOf is the name of a job without one. Many are in a job.yaml: their folders have the names.
func nameOf(path string) string {
	if path == "" {
		return noName
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if name != noName {
		return name
	}
	full, err := filepath.Abs(path)
	if folder := filepath.Base(filepath.Dir(full)); err == nil && folder != string(filepath.Separator) {
		return folder
	}
	return noName
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Error is a job that cannot be run as it is written.
type Error struct {
	// Path is the job file, "" for a job of flags.
	Path string
	// Reason names the key and says what to do.
	Reason string
}

// Error returns the reason behind the path, with control characters escaped.
func (e *Error) Error() string {
	if e.Path == "" {
		return display.Harmless(e.Reason)
	}
	return display.Harmless(e.Path + ": " + e.Reason)
}

// Validate names the first key that is missing or out of range. It is for a Job with defaults.
func (j Job) Validate() error {
	if err := j.validate(); err != nil {
		return &Error{Path: j.Path, Reason: err.Error()}
	}
	return nil
}

func (j Job) validate() error {
	if len(j.Input.Path) == 0 {
		return fmt.Errorf("input.path is missing: name a file, a folder or a glob (or use --input)")
	}
	if j.Output.Path == "" {
		return fmt.Errorf("output.path is missing: name the folder for the scores (or use --output)")
	}
	if err := j.validateRoots(); err != nil {
		return err
	}
	if err := j.validateDates(); err != nil {
		return err
	}
	local, remote := j.Model.Path != "", len(j.Server.Addresses) > 0
	switch {
	case local && remote:
		return fmt.Errorf("model.path and server.addresses are both set: keep one (a server brings its own model)")
	case !local && !remote:
		return fmt.Errorf("model.path is missing: name a model folder (or use --model), or servers with server.addresses (or --server)")
	case local && j.Server.TLS != nil:
		return fmt.Errorf("server.tls is set, but local workers use a private socket: name server.addresses or drop it")
	case j.Model.Version != "" && j.Server.Protocol != protocolGCN:
		return fmt.Errorf("model.version is only for server.protocol gcn: over native the server names its model")
	case j.Output.Embed != "" && j.Server.Protocol == protocolGCN:
		return fmt.Errorf("output.embed is set, but protocol gcn carries scores alone: use protocol native, or drop output.embed (--embed)")
	}
	if err := j.validatePaths(); err != nil {
		return err
	}
	if err := j.Metrics.validate(); err != nil {
		return err
	}
	if err := j.validateAddresses(); err != nil {
		return err
	}
	if err := j.validateGates(); err != nil {
		return err
	}
	if err := j.Submit.Slurm.validate(); err != nil {
		return err
	}
	return j.validateValues()
}

// validateAddresses refuses credentials, without showing them.
func (j Job) validateAddresses() error {
	for i, address := range j.Server.Addresses {
		if strings.Contains(address, "@") && !strings.HasPrefix(address, "unix:") {
			return fmt.Errorf("server.addresses[%d] has a user or a password before an @: an address is host:port, and secrets have no place in it", i)
		}
	}
	return nil
}

// maxWorkers is more than any machine has processors for.
const maxWorkers = 1024

var schemed = regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9+.-]*)://)?`)

// scheme returns the scheme of a path that is a URL, "" for one of this machine.
func scheme(path string) string {
	return schemed.FindStringSubmatch(path)[1]
}

// validatePaths refuses paths that are not of this machine, and what a shell would have made a home folder of.
func (j Job) validatePaths() error {
	paths := map[string]string{"output.path": j.Output.Path, "model.path": j.Model.Path, "metrics.textfile": j.Metrics.Textfile}
	if d := j.Gates.Drift; d != nil {
		paths["gates.drift.against"] = d.Against
	}
	for i, p := range j.Input.Path {
		paths[fmt.Sprintf("input.path[%d]", i)] = p.Path
	}
	for _, key := range slices.Sorted(maps.Keys(paths)) {
		if s := scheme(paths[key]); s != "" {
			return fmt.Errorf("%s is %q, and %s:// is not supported: %s", key, display.WithoutUser(paths[key]), s, instead(s))
		}
		if path := filepath.ToSlash(paths[key]); path == "~" || strings.HasPrefix(path, "~/") || strings.Contains(path, "/~/") {
			return fmt.Errorf("%s is %q: ~ is not expanded here, write the path in full", key, paths[key])
		}
	}
	return nil
}

// instead says what to do in place of a path with a scheme.
func instead(scheme string) string {
	if strings.EqualFold(scheme, "file") {
		return "write the path alone, as in /data/graphs"
	}
	return "copy or mount what it names, and write its path on this machine"
}

func (j Job) validateRoots() error {
	if len(j.Input.Path) == 1 {
		return nil
	}
	names := map[string]bool{}
	for i, p := range j.Input.Path {
		switch {
		case p.Name == "":
			return fmt.Errorf("input.path[%d] has no name: with several paths each needs one, e.g. {name: a, path: %s}", i, p.Path)
		case names[p.Name]:
			return fmt.Errorf("input.path[%d]: the name %q is used twice", i, p.Name)
		}
		names[p.Name] = true
	}
	return nil
}

func (j Job) validateValues() error {
	for _, f := range []struct {
		key, value string
		allowed    []string
	}{
		{"input.layout", j.Input.Layout, graph.Layouts()},
		{"input.fingerprint", j.Input.Fingerprint, []string{"fast", "full"}},
		{"server.protocol", j.Server.Protocol, []string{protocolNative, protocolGCN}},
		{"limits.transport", j.Limits.Transport, []string{TransportAuto, TransportInline, TransportShared}},
		{"on_change", j.OnChange, []string{"refuse", "rescore"}},
		{"ping.partly", j.Ping.Partly, []string{PartlySuccess, PartlyFailure}},
		{"on_orphan", j.OnOrphan, []string{OrphanKeep, OrphanRefuse, OrphanPrune}},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return fmt.Errorf("%s is %q: it must be one of %s", f.key, f.value, strings.Join(f.allowed, ", "))
		}
	}
	for _, f := range []struct {
		key            string
		value, minimum int64
	}{
		{"workers", int64(j.Workers), 0}, {"input.shard_bytes", int64(j.Input.ShardBytes), 1},
		{"limits.message_bytes", int64(j.Limits.MessageBytes), 64 << 10},
		{"limits.in_flight_bytes", int64(j.Limits.InFlightBytes), 64 << 10},
		{"limits.request_bytes", int64(j.Limits.RequestBytes), 1},
		{"limits.deadline", int64(j.Limits.Deadline), 1},
		{"limits.retry_budget", int64(j.Limits.RetryBudget), 1},
		{"limits.run_deadline", int64(j.Limits.RunDeadline), 0},
		{"limits.worker_memory", int64(j.Limits.WorkerMemory), 0},
	} {
		if f.value < f.minimum {
			return fmt.Errorf("%s is %d: it must be at least %d", f.key, f.value, f.minimum)
		}
	}
	if r := j.Input.Require; strings.ContainsAny(r, "/*?[") || r == "." || r == ".." {
		return fmt.Errorf("input.require is %q: it must be the name of a file, such as _SUCCESS", r)
	}
	if j.Workers > maxWorkers {
		return fmt.Errorf("workers is %d: at most %d", j.Workers, maxWorkers)
	}
	if j.Limits.WorkerMemory > 0 && j.Model.Path == "" && len(j.Server.Addresses) > 0 {
		return fmt.Errorf("limits.worker_memory is for local workers, and servers score this job: remove it")
	}
	if j.Limits.MessageBytes > 2<<30-1 {
		return fmt.Errorf("limits.message_bytes is %d: gRPC messages hold less than 2 GiB", j.Limits.MessageBytes)
	}
	if t := j.Server.TLS; t != nil && (t.Cert == "") != (t.Key == "") {
		return fmt.Errorf("server.tls has only one of cert and key: a client certificate needs both")
	}
	if j.Server.TokenFile != "" && j.Server.TLS == nil {
		return fmt.Errorf("server.token_file is set without server.tls: a token is sent over TLS only")
	}
	return nil
}

// resolve makes relative paths count from dir.
func (j *Job) resolve(dir string) {
	for i := range j.Input.Path {
		absolute(dir, &j.Input.Path[i].Path)
	}
	absolute(dir, &j.Output.Path)
	absolute(dir, &j.Model.Path)
	absolute(dir, &j.Metrics.Textfile)
	if d := j.Gates.Drift; d != nil {
		absolute(dir, &d.Against)
	}
	absolute(dir, &j.Server.TokenFile)
	if t := j.Server.TLS; t != nil {
		absolute(dir, &t.CA)
		absolute(dir, &t.Cert)
		absolute(dir, &t.Key)
	}
}

func absolute(dir string, path *string) {
	if *path != "" && !filepath.IsAbs(*path) && scheme(*path) == "" {
		*path = filepath.Join(dir, *path)
	}
}
