package local

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// PeakMemory is the largest resident memory that a process ever had, in bytes; 0 where the system does not report it.
func PeakMemory(pid int) int64 {
	return procField(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
}

// procField reads a line as "Name:  123 kB".
func procField(path, name string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 2 || string(fields[0]) != name {
			continue
		}
		kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err != nil {
			return 0
		}
		return kib << 10
	}
	return 0
}
