package conf

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"sync"
	"time"
)

// mostLevels: what nests deeper no driver can pass on.
const mostLevels = 90

// byName is a contract of one method, of which nothing is known but its streams.
func byName(name string, input, output any) *contract {
	anything := &schemas{root: object{}}
	known := &method{name: name, params: true, result: true, input: input, output: output}
	return &contract{name: name, schemas: anything, methods: map[string]*method{name: known}}
}

func (o order) params() json.RawMessage {
	if o.Params == nil {
		return json.RawMessage("{}")
	}
	return o.Params
}

// follower is what a call may be told while it runs.
type follower struct {
	driver *driver
	given  order
	cancel context.CancelFunc
	mutex  sync.Mutex
	change *sync.Cond
	// allowed is how many items the user still takes.
	allowed int
	over    bool
	feeds   chan order
}

type anyStream = Stream[json.RawMessage, json.RawMessage, json.RawMessage]

// endless is a plugin whose calls have no deadline of their own.
type endless struct {
	plugin *Plugin
}

func (e endless) caller() (*connection, *Call, time.Duration) {
	return e.plugin.connection, nil, 0
}

func (d *driver) call(given order) error {
	l, err := d.plugin(given)
	if err != nil {
		return err
	}
	if strings.HasPrefix(given.Method, "rpc.") {
		return failure(KindInvalidRequest, "%s is the protocol's own", given.Method)
	}
	f := &follower{driver: d, given: given, allowed: math.MaxInt, feeds: make(chan order, 1024)}
	f.change = sync.NewCond(&f.mutex)
	if given.Take != nil {
		f.allowed = *given.Take
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	var caller Caller = l.running
	if given.TimeoutMs != nil {
		var ms *int64
		if err := json.Unmarshal(given.TimeoutMs, &ms); err != nil {
			return failure(KindInvalidRequest, "timeout_ms: %v", err)
		}
		caller = endless{l.running}
		if ms != nil {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(*ms)*time.Millisecond)
		}
	}
	ctx = WithProgress(ctx, func(progress Progress) { d.say(object{"seq": given.Seq, "progress": progress}) })
	d.mutex.Lock()
	d.calls[given.Seq] = f
	l.open++
	before, begun := l.begun, make(chan struct{})
	l.begun = begun
	d.mutex.Unlock()
	go func() {
		defer cancel()
		<-before
		d.answer(given.Seq, func() (any, error) { return f.follow(ctx, caller, begun) })
		d.mutex.Lock()
		l.open--
		d.mutex.Unlock()
	}()
	return nil
}

// follow begins the call, and waits for its end.
func (f *follower) follow(ctx context.Context, caller Caller, begun chan struct{}) (any, error) {
	var input, output any
	if f.given.Input {
		input = true
	}
	if f.given.Output != nil && f.given.Output != false {
		output = true
	}
	stream, err := stream[json.RawMessage, json.RawMessage, json.RawMessage](
		ctx, caller, byName(f.given.Method, input, output), f.given.Method, f.given.params())
	close(begun)
	if err == nil && f.given.Input {
		go f.feed(stream)
	}
	var result json.RawMessage
	if err == nil {
		for f.take() && stream.Next() {
			if f.given.Output == true {
				f.driver.say(object{"seq": f.given.Seq, "item": stream.Item()})
			}
		}
		<-stream.followed
		result, err = stream.Finish()
	}
	f.driver.mutex.Lock()
	delete(f.driver.calls, f.given.Seq)
	close(f.feeds)
	f.driver.mutex.Unlock()
	if err == nil && unsound(result, mostLevels) != nil {
		err = failure(KindProtocolViolation, "a result that nests deeper than %d", mostLevels)
	}
	if err != nil {
		return nil, err
	}
	return object{"result": result}, nil
}

// take waits until the user takes another item; false: none any more.
func (f *follower) take() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for f.allowed == 0 && !f.over {
		f.change.Wait()
	}
	f.allowed--
	return !f.over
}

// feed sends the call's input as it comes, and answers for each part.
func (f *follower) feed(stream *anyStream) {
	for given := range f.feeds {
		f.driver.answer(given.Seq, func() (any, error) {
			for _, item := range given.Items {
				if err := stream.Send(item); err != nil {
					return nil, err
				}
			}
			if given.Cmd == "input_end" {
				stream.CloseSend()
			}
			return object{}, nil
		})
	}
}

func (f *follower) told(given order) (any, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	defer f.change.Broadcast()
	switch given.Cmd {
	case "take":
		f.allowed += given.N
	case "cancel":
		f.over = true
		f.cancel()
	default:
		if !f.given.Input {
			return nil, failure(KindInvalidRequest, "the call has no input")
		}
		f.driver.mutex.Lock()
		defer f.driver.mutex.Unlock()
		if f.driver.calls[f.given.Seq] == nil {
			return nil, failure(KindClosed, "the call has ended")
		}
		f.feeds <- given
		return nil, nil
	}
	return object{}, nil
}
