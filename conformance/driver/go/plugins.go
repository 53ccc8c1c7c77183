package conf

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// launched is a plugin that was launched.
type launched struct {
	driver  *driver
	name    string
	running *Plugin
	gate    *gate
	dropped bool
	stopped bool
	open    int
	// begun is closed once the call before has begun: calls begin in the order of their commands.
	begun chan struct{}
}

// gate: while it is shut the host's user takes no event and handles no notification.
type gate struct {
	mutex  sync.Mutex
	opened chan struct{}
}

func (g *gate) shut() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

func (g *gate) pass() {
	g.mutex.Lock()
	opened := g.opened
	g.mutex.Unlock()
	if opened != nil {
		<-opened
	}
}

func (d *driver) launch(given order) error {
	if given.Strict || given.Guard || given.Restart != nil && given.Restart != false {
		return failure(KindUnsupported, "it has no strict mode, no guard and no supervisor")
	}
	l := &launched{driver: d, gate: &gate{}, begun: make(chan struct{})}
	close(l.begun)
	// Nothing is told before its name is known.
	l.gate.shut()
	options := Options{
		Env: given.Env, Limits: given.Limits, Serves: l.serves(given.Callbacks),
		StartTimeout: milliseconds(given.Timeouts["start_ms"]), Grace: milliseconds(given.Timeouts["grace_ms"]),
		CloseTimeout: milliseconds(given.Timeouts["exit_ms"]), TermTimeout: milliseconds(given.Timeouts["term_ms"]),
		AnswerTimeout: milliseconds(given.Timeouts["unhealthy_ms"]),
		OnLog: func(log Log) {
			said := object{"event": "log", "source": "plugin", "level": log.Level, "message": log.Message}
			if log.Target != "" {
				said["target"] = log.Target
			}
			if log.Fields != nil {
				said["fields"] = log.Fields
			}
			l.tell(said)
		},
		OnStray:     func(line string) { l.tell(object{"event": "stray", "text": line}) },
		OnUnhealthy: func(string) { l.tell(object{"event": "unhealthy"}) },
	}
	if given.Config != nil {
		options.Config = given.Config
	}
	running, err := Start(given.Argv, options)
	if err != nil {
		l.gate.open()
		return err
	}
	l.running = running
	d.mutex.Lock()
	d.count++
	l.name = "p" + string(mustEncode(d.count))
	d.plugins[l.name] = l
	d.mutex.Unlock()
	d.say(object{"seq": given.Seq, "ok": object{"plugin": l.name, "pid": running.process.Process.Pid}})
	l.gate.open()
	go func() {
		<-running.exited
		last := running.failed(KindPluginExited, "call", "it ended")
		code, signal := ended(last.State)
		said := object{"event": "exited", "code": code, "signal": signal, "wanted": l.isStopped()}
		said["stderr_tail"] = linesOf(last.StderrTail)
		l.tell(said)
	}()
	return nil
}

func (l *launched) tell(event object) {
	l.gate.pass()
	if l.name != "" {
		event["plugin"] = l.name
		l.driver.say(event)
	}
}

func (l *launched) isStopped() bool {
	l.driver.mutex.Lock()
	defer l.driver.mutex.Unlock()
	return l.stopped || l.dropped
}

func (l *launched) told(what string) any {
	c := l.running.connection
	switch what {
	case "hold":
		l.gate.shut()
	case "release":
		l.gate.open()
	case "drop":
		l.driver.mutex.Lock()
		l.dropped = true
		l.driver.mutex.Unlock()
		go l.running.stop("close", 0)
	case "state":
		state := "running"
		if l.isStopped() {
			state = "stopped"
		}
		c.mutex.Lock()
		defer c.mutex.Unlock()
		capabilities := object{}
		for name := range c.features {
			capabilities[name] = None{}
		}
		l.driver.mutex.Lock()
		defer l.driver.mutex.Unlock()
		return object{
			"state": state, "pid": l.running.process.Process.Pid, "in_flight": len(c.pendings),
			"queued": max(0, l.open-len(c.pendings)), "plugin": object{"name": l.running.Name, "version": l.running.Version},
			"capabilities": capabilities,
		}
	}
	return object{}
}

func (l *launched) stop() any {
	l.driver.mutex.Lock()
	l.stopped = true
	l.driver.mutex.Unlock()
	l.running.Stop()
	code, signal := ended(l.running.process.ProcessState)
	return object{"code": code, "signal": signal, "rung": l.running.rung}
}

func (l *launched) notify(given order) error {
	if strings.HasPrefix(given.Method, "rpc.") {
		return failure(KindInvalidRequest, "%s is the protocol's own", given.Method)
	}
	return notify(context.Background(), l.running, byName(given.Method, nil, nil), given.Method, given.params())
}

func (l *launched) serves(wanted []string) []Implementation {
	all := ImplementConfHost(&hostSide{gate: l.gate})
	for name := range all.handlers {
		if !slices.Contains(wanted, name) {
			delete(all.handlers, name)
		}
	}
	return []Implementation{all}
}

// hostSide is the contract conf_host.
type hostSide struct {
	gate  *gate
	mutex sync.Mutex
	notes []string
}

func (*hostSide) Echo(_ context.Context, params EchoParamsValue) (json.RawMessage, error) {
	return params.Value, nil
}

func (*hostSide) Fail(_ context.Context, params FailParamsValue) (json.RawMessage, error) {
	return nil, &RemoteError{Code: params.Code, Message: params.Message, Data: params.Data}
}

func (*hostSide) Call(ctx context.Context, params CallParams) (json.RawMessage, error) {
	return request[json.RawMessage](ctx, Host(ctx), byName(params.Method, nil, nil), params.Method, params.Params)
}

func (*hostSide) Panic(context.Context) error {
	panic("as the runner wanted")
}

func (h *hostSide) Note(_ context.Context, params NoteParamsValue) {
	h.gate.pass()
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.notes = append(h.notes, params.Text)
}

func (h *hostSide) Notes(context.Context) ([]string, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return append([]string{}, h.notes...), nil
}
