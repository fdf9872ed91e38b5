package local

// PeakMemory is the largest resident memory that a process ever had, in bytes; 0 where the system does not tell.
func PeakMemory(pid int) int64 { return peakMemory(pid) }
