package faulty

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The group is signalled before its leader is reaped (HOST-6): when its end is known, its number is still its own.
func TestTheLeaderIsLeftToBeReaped(t *testing.T) {
	p := &Plugin{process: exec.Command("true")}
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	p.untilEnded()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid))
	if err != nil || !strings.Contains(string(status), "State:\tZ") {
		t.Fatalf("it is no zombie: %v %s", err, status)
	}
	if err := p.process.Wait(); err != nil {
		t.Fatal(err)
	}
}
