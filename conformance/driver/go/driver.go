// The host of the run-time for Go under the conformance runner's orders: commands as JSON lines on standard input,
// answers and events as JSON lines on standard output, in any order (conformance/cases/host.md).
//
// It adds nothing to the run-time and hides nothing of it: a command is a call of it, an answer what came of it. It is of
// the package that is generated, for the runner calls methods by name, and without a schema.
package conf

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// order is a command of the runner.
type order struct {
	Seq       int64             `json:"seq"`
	Cmd       string            `json:"cmd"`
	Plugin    string            `json:"plugin"`
	Argv      []string          `json:"argv"`
	Env       map[string]string `json:"env"`
	Config    json.RawMessage   `json:"config"`
	Limits    Limits            `json:"limits"`
	Timeouts  map[string]*int64 `json:"timeouts"`
	Callbacks []string          `json:"callbacks"`
	Strict    bool              `json:"strict"`
	Guard     bool              `json:"guard"`
	Restart   any               `json:"restart"`
	Method    string            `json:"method"`
	Params    json.RawMessage   `json:"params"`
	TimeoutMs json.RawMessage   `json:"timeout_ms"`
	Output    any               `json:"output"`
	Input     bool              `json:"input"`
	Take      *int              `json:"take"`
	Call      int64             `json:"call"`
	N         int               `json:"n"`
	Items     []json.RawMessage `json:"items"`
}

type object = map[string]any

type driver struct {
	out     sync.Mutex
	mutex   sync.Mutex // guards what is below
	plugins map[string]*launched
	calls   map[int64]*follower
	count   int
}

// Drive serves the runner to the end of its orders.
func Drive() {
	d := &driver{plugins: map[string]*launched{}, calls: map[int64]*follower{}}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM)
	go func() {
		<-ends
		d.stopAll()
		os.Exit(0)
	}()
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			d.stopAll()
			return
		}
		var given order
		if err := json.Unmarshal(line, &given); err != nil {
			fmt.Fprintf(os.Stderr, "not a command: %v\n", err)
			os.Exit(1)
		}
		if given.Cmd == "bye" {
			d.stopAll()
			d.say(object{"seq": given.Seq, "ok": object{}})
			return
		}
		d.obey(given)
	}
}

// obey never waits for a plugin: what may take its time answers itself.
func (d *driver) obey(given order) {
	later := func(do func() (any, error)) {
		go func() { d.answer(given.Seq, do) }()
	}
	switch given.Cmd {
	case "hello":
		features := []string{"cancel", "streams", "callbacks", "notifications"}
		d.say(object{"seq": given.Seq, "ok": object{"driver": "plugline for Go", "features": features}})
	case "launch":
		later(func() (any, error) { return nil, d.launch(given) })
	case "call":
		d.answer(given.Seq, func() (any, error) { return nil, d.call(given) })
	case "take", "cancel", "input", "input_end":
		d.answer(given.Seq, func() (any, error) {
			call, err := d.follower(given.Call)
			if err != nil {
				return nil, err
			}
			return call.told(given)
		})
	case "notify":
		later(func() (any, error) {
			l, err := d.plugin(given)
			if err != nil {
				return nil, err
			}
			return object{}, l.notify(given)
		})
	case "state", "hold", "release", "drop":
		d.answer(given.Seq, func() (any, error) {
			l, err := d.plugin(given)
			if err != nil {
				return nil, err
			}
			return l.told(given.Cmd), nil
		})
	case "stop":
		later(func() (any, error) {
			l, err := d.plugin(given)
			if err != nil {
				return nil, err
			}
			return l.stop(), nil
		})
	default:
		d.answer(given.Seq, func() (any, error) { return nil, failure(KindUnsupported, "%s: no such command", given.Cmd) })
	}
}

// answer: what has no result answers itself.
func (d *driver) answer(seq int64, do func() (any, error)) {
	switch ok, err := do(); {
	case err != nil:
		d.say(object{"seq": seq, "err": told(err)})
	case ok != nil:
		d.say(object{"seq": seq, "ok": ok})
	}
}

func (d *driver) say(line object) {
	text := append(mustEncode(line), '\n')
	d.out.Lock()
	defer d.out.Unlock()
	_, _ = os.Stdout.Write(text) // without a runner there is nobody to tell
}

// told is a failure, with all that is known of it.
func told(err error) object {
	said := object{"kind": KindOf(err), "message": err.Error()}
	var failed *Failure
	var remote *RemoteError
	errors.As(err, &remote)
	if errors.As(err, &failed) {
		said["command"], said["phase"], said["stderr_tail"] = failed.Command, failed.Phase, linesOf(failed.StderrTail)
		if failed.Stray != "" {
			said["stray"] = failed.Stray
		}
		if failed.State != nil {
			said["exit_code"], said["signal"] = ended(failed.State)
		}
		remote = failed.Remote
	}
	if remote != nil {
		said["code"], said["data"] = remote.Code, remote.Data
	}
	return said
}

func linesOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// ended is how a process ended: its exit code, or the signal.
func ended(state *os.ProcessState) (code, signal any) {
	status, _ := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return nil, int(status.Signal())
	}
	return status.ExitStatus(), nil
}

func (d *driver) plugin(given order) (*launched, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if l := d.plugins[given.Plugin]; l != nil && !l.dropped {
		return l, nil
	}
	return nil, failure(KindClosed, "no such plugin, or it was dropped")
}

func (d *driver) follower(seq int64) (*follower, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if call := d.calls[seq]; call != nil {
		return call, nil
	}
	return nil, failure(KindClosed, "no such call, or it has ended")
}

// stopAll is the whole ladder for every plugin, at once.
func (d *driver) stopAll() {
	d.mutex.Lock()
	all := make([]*launched, 0, len(d.plugins))
	for _, l := range d.plugins {
		all = append(all, l)
	}
	d.mutex.Unlock()
	var ladders sync.WaitGroup
	for _, l := range all {
		l.gate.open()
		ladders.Add(1)
		go func() {
			defer ladders.Done()
			l.running.Stop()
		}()
	}
	ladders.Wait()
}

// milliseconds of a command; none stands for the usual.
func milliseconds(ms *int64) time.Duration {
	if ms == nil {
		return 0
	}
	return max(1, time.Duration(*ms)*time.Millisecond)
}
