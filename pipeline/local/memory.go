package local

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// PeakMemory is the largest resident memory that a process ever had, in bytes; 0 where the system does not report it.
func PeakMemory(pid int) int64 {
	return field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:") << 10 // it is in KiB
}

// anonymousMemory is the resident memory of a process that no file or shared memory backs, in bytes; 0 where the system does
// not report it.
func anonymousMemory(pid int) int64 {
	return field(fmt.Sprintf("/proc/%d/status", pid), "RssAnon:") << 10 // it is in KiB
}

// oomKills is how many processes the system has killed because memory was short, in all and in our control group; 0
// where it does not report it. In a container the first may be another's, and the second is ours alone.
func oomKills() int64 {
	sum := field("/proc/vmstat", "oom_kill")
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return sum
	}
	for line := range strings.Lines(string(groups)) {
		if name, v2 := strings.CutPrefix(strings.TrimSpace(line), "0::"); v2 {
			sum += field(path.Join("/sys/fs/cgroup", name, "memory.events"), "oom_kill")
		} else if _, name, v1 := strings.Cut(strings.TrimSpace(line), ":memory:"); v1 {
			sum += field(path.Join("/sys/fs/cgroup/memory", name, "memory.oom_control"), "oom_kill")
		}
	}
	return sum
}

// field reads the number of a line as "name 123"; 0 where there is none.
func field(file, name string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 2 || string(fields[0]) != name {
			continue
		}
		value, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err != nil {
			return 0
		}
		return value
	}
	return 0
}
