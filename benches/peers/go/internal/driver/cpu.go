package driver

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cpuTime is the CPU time, user and system, of this process and of those, in nanoseconds.
func cpuTime(pids []int) int64 {
	total := clock(unix.CLOCK_PROCESS_CPUTIME_ID)
	for _, pid := range pids {
		// What clock_getcpuclockid(3) makes of a process id.
		total += clock(int32(^pid<<3 | 2))
	}
	return total
}

func clock(id int32) int64 {
	var at unix.Timespec
	if err := unix.ClockGettime(id, &at); err != nil {
		panic(err)
	}
	return at.Nano()
}

// children are the processes that this one has started and not reaped.
func children() []int {
	var found []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		panic(err)
	}
	self := strconv.Itoa(os.Getpid())
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // It has ended.
		}
		// After the name, which is in parentheses, stand the state and the parent.
		after := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(after) > 1 && after[1] == self {
			found = append(found, pid)
		}
	}
	return found
}
