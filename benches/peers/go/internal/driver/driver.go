// Package driver is the line protocol between `compare` and a client: one JSON object a line, an operation in,
// its figures out.
package driver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"plugline.example/peers/internal/users"
)

// Instance is one running plugin.
type Instance struct {
	Manager users.Manager
	Stop    func()
	// Stream receives that many bytes from the plugin in chunks; nil where the system has no streams.
	Stream func(chunk, bytes int) (received int, err error)
}

// Start starts a plugin.
type Start func() (*Instance, error)

// Batch is how many calls make one sample; above 1 where a call is shorter than reading the clock.
var Batch = 1

type request struct {
	Op      string `json:"op"`
	Method  string `json:"method"`
	Millis  int    `json:"millis"`
	Callers int    `json:"callers"`
	Chunk   int    `json:"chunk"`
	Bytes   int    `json:"bytes"`
}

type response struct {
	Error       string  `json:"error,omitempty"`
	WallNs      int64   `json:"wall_ns"`
	CPUNs       int64   `json:"cpu_ns"`
	Calls       int     `json:"calls"`
	Bytes       int     `json:"bytes"`
	Batch       int     `json:"batch"`
	LatenciesNs []int64 `json:"latencies_ns"`
	Pids        []int   `json:"pids"`
}

type session struct {
	start     Start
	file      string
	instances []*Instance
	// pids are the processes of the plugins that run.
	pids []int
}

// Sibling is the path of a program beside this one.
func Sibling(name string) string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return filepath.Join(filepath.Dir(self), name)
}

// Run serves operations from standard input until it ends. The first argument is the file of users.
func Run(start Start) {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "started by compare, with the file of users")
		os.Exit(64)
	}
	s := &session{start: start, file: os.Args[1]}
	defer s.stop()
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var req request
		resp, err := &response{}, json.Unmarshal(lines.Bytes(), &req)
		if err == nil {
			resp, err = s.serve(&req)
		}
		if err != nil {
			resp = &response{Error: err.Error()}
		}
		resp.Batch = Batch
		if err := out.Encode(resp); err != nil {
			return
		}
	}
}

func (s *session) serve(req *request) (*response, error) {
	span := time.Duration(req.Millis) * time.Millisecond
	switch req.Op {
	case "start":
		return s.begin()
	case "stop":
		s.stop()
		return &response{}, nil
	case "sequential":
		return s.sequential(req.Method, span)
	case "callers":
		return s.callers(req.Method, req.Callers, span)
	case "stream":
		return s.stream(req.Chunk, req.Bytes)
	}
	return nil, fmt.Errorf("unsupported: %s", req.Op)
}

// begin starts a plugin and asserts the first result.
func (s *session) begin() (*response, error) {
	load, err := users.CallOf("OnLoad", s.file)
	if err != nil {
		return nil, err
	}
	get, err := users.CallOf("GetUser", s.file)
	if err != nil {
		return nil, err
	}
	var loaded, got users.Result
	began := time.Now()
	instance, err := s.start()
	if err != nil {
		return nil, err
	}
	s.instances = append(s.instances, instance)
	load.Make(instance.Manager, &loaded)
	get.Make(instance.Manager, &got)
	wall := time.Since(began)
	s.pids = children()
	if err := load.Assert(&loaded); err != nil {
		return nil, err
	}
	return &response{WallNs: wall.Nanoseconds(), Pids: s.pids}, get.Assert(&got)
}

func (s *session) stop() {
	for _, instance := range s.instances {
		instance.Stop()
	}
	s.instances, s.pids = nil, nil
}

func (s *session) first() (*Instance, error) {
	if len(s.instances) == 0 {
		return nil, fmt.Errorf("nothing was started")
	}
	return s.instances[0], nil
}

func (s *session) sequential(method string, span time.Duration) (*response, error) {
	instance, err := s.first()
	if err != nil {
		return nil, err
	}
	call, err := users.CallOf(method, s.file)
	if err != nil {
		return nil, err
	}
	latencies, results := make([]int64, 0, 1<<16), make([]users.Result, Batch)
	cpu, began := cpuTime(s.pids), time.Now()
	for time.Since(began) < span {
		start := time.Now()
		for i := range results {
			call.Make(instance.Manager, &results[i])
		}
		latencies = append(latencies, time.Since(start).Nanoseconds()/int64(Batch))
		for i := range results {
			if err := call.Assert(&results[i]); err != nil {
				return nil, err
			}
		}
	}
	wall := time.Since(began)
	return &response{
		WallNs:      wall.Nanoseconds(),
		CPUNs:       cpuTime(s.pids) - cpu,
		Calls:       len(latencies) * Batch,
		LatenciesNs: latencies,
	}, nil
}

func (s *session) callers(method string, callers int, span time.Duration) (*response, error) {
	instance, err := s.first()
	if err != nil {
		return nil, err
	}
	call, err := users.CallOf(method, s.file)
	if err != nil {
		return nil, err
	}
	var calls atomic.Int64
	var over atomic.Bool
	var failed atomic.Pointer[error]
	var wait sync.WaitGroup
	cpu, began := cpuTime(s.pids), time.Now()
	for range callers {
		wait.Go(func() {
			var result users.Result
			made := 0
			for ; !over.Load(); made++ {
				call.Make(instance.Manager, &result)
				if err := call.Assert(&result); err != nil {
					failed.Store(&err)
					return
				}
			}
			calls.Add(int64(made))
		})
	}
	time.Sleep(span)
	over.Store(true)
	wait.Wait()
	wall := time.Since(began)
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return &response{
		WallNs: wall.Nanoseconds(),
		CPUNs:  cpuTime(s.pids) - cpu,
		Calls:  int(calls.Load()),
	}, nil
}

func (s *session) stream(chunk, bytes int) (*response, error) {
	instance, err := s.first()
	if err != nil {
		return nil, err
	}
	if instance.Stream == nil {
		return nil, fmt.Errorf("unsupported: stream")
	}
	cpu, began := cpuTime(s.pids), time.Now()
	received, err := instance.Stream(chunk, bytes)
	if err == nil && received != bytes {
		err = fmt.Errorf("%d bytes of %d were streamed", received, bytes)
	}
	wall := time.Since(began)
	return &response{WallNs: wall.Nanoseconds(), CPUNs: cpuTime(s.pids) - cpu, Bytes: received}, err
}
