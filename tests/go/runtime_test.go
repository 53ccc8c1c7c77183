package faulty

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// quiet is a side that has nothing of its own.
type quiet struct {
	mutex  sync.Mutex
	logs   []Log
	faults []*Failure
}

func (q *quiet) lifecycle(string) *RemoteError { return nil }

func (q *quiet) protocol(string) func(*Call, json.RawMessage) { return nil }

func (q *quiet) logged(log Log, _ int) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.logs = append(q.logs, log)
}

func (q *quiet) stray([]byte) {}

func (q *quiet) broken(err *Failure) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.faults = append(q.faults, err)
}

func (q *quiet) unhealthy(string) {}

// connected is a connection, and what it writes.
func connected(side server) (*connection, *quiet, *io.PipeReader) {
	role := &quiet{}
	written, out := io.Pipe()
	return newConnection(side, Limits{}, role, out, func(error) {}), role, written
}

// within fails where something hangs.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

// fill leaves no caller any room: one queue is being written to a side that reads nothing, and the next is full.
func fill(c *connection) {
	isWriting := func() bool {
		c.out.mutex.Lock()
		defer c.out.mutex.Unlock()
		return c.out.writing > 0
	}
	_ = c.out.put([]byte("nobody reads this"), nil)
	for !isWriting() {
		time.Sleep(time.Millisecond)
	}
	_ = c.out.put(make([]byte, roomForCallers), nil)
}

// HOST-1: a connection ends though an item waits for room (HOST-14).
func TestTheEndWaitsForNobodyWhoReads(t *testing.T) {
	c, _, _ := connected(servedByHost)
	s := newSender(c, c.accepted(), "rpc.input", json.RawMessage("1"))
	p := &pending{name: "faulty.sum", sender: s, ended: make(chan struct{})}
	c.pendings[1] = p
	fill(c)
	sent := make(chan error)
	go func() { sent <- s.send(json.RawMessage("1")) }()
	within(t, "close", func() { c.close(failure(KindClosed, "stopped")) })
	within(t, "send", func() {
		if err := <-sent; KindOf(err) != KindClosed {
			t.Errorf("%v", err)
		}
	})
}

// CALL-5, MSG-23: what callers queued leaves room for what the reader has to say.
func TestTheReaderHasRoomOfItsOwn(t *testing.T) {
	c, role, _ := connected(servedByPlugin)
	fill(c)
	c.tell("rpc.cancel", map[string]any{"id": 1})
	if len(role.faults) > 0 {
		t.Fatal(role.faults[0])
	}
}

// LIFE-43: an answer counts until it is written, and what came is still taken.
func TestAtTheEndOfInputAllIsAnswered(t *testing.T) {
	c, _, written := connected(servedByPlugin)
	call := &Call{connection: c, method: &method{name: "rpc.discover"}, id: json.RawMessage("1")}
	c.calls[idKey(call.id)] = call
	fill(c)
	go c.finish(call, json.RawMessage("{}"), nil)
	c.answeredAll(20 * time.Millisecond)
	c.mutex.Lock()
	left := len(c.calls) + c.answering
	c.mutex.Unlock()
	if left == 0 {
		t.Fatal("it was answered before there was room")
	}
	go func() { _, _ = io.Copy(io.Discard, written) }()
	within(t, "the answer", func() { c.answeredAll(time.Hour) })

	items := newInbox(1000, func(int) {})
	items.put([]json.RawMessage{json.RawMessage("7")}, 100)
	items.end(nil)
	items.end(errors.New("gone"))
	if item, err := items.next(); string(item) != "7" || err != nil {
		t.Fatalf("%s %v", item, err)
	}
	if item, err := items.next(); item != nil || err != nil {
		t.Fatalf("complete input is no fault: %s %v", item, err)
	}
	s := newSender(c, c.accepted(), "rpc.output", json.RawMessage("1"))
	s.starve(errors.New("gone"))
	if err := s.send(json.RawMessage("1")); err != nil {
		t.Fatalf("there was credit: %v", err)
	}
	s.credit = 0
	if err := s.send(json.RawMessage("1")); err == nil {
		t.Fatal("there was no credit, and none comes")
	}
}

// ERR-9, STREAM-20: input after its end is a violation, and what crosses with an answer is not.
func TestInputAfterItsEnd(t *testing.T) {
	complete, dropped := newInbox(1000, func(int) {}), newInbox(1000, func(int) {})
	complete.end(nil)
	dropped.drop(errors.New("answered"))
	if complete.put(nil, 1) || !dropped.put(nil, 1) {
		t.Fatal("one is a violation, the other is not")
	}
}

// STREAM-13: each item has its share of its line.
func TestCreditComesForPartOfALine(t *testing.T) {
	granted := 0
	items := newInbox(1000, func(bytes int) { granted += bytes })
	items.put([]json.RawMessage{json.RawMessage("1"), json.RawMessage("2"), json.RawMessage("3")}, 999)
	for range 2 {
		if _, err := items.next(); err != nil {
			t.Fatal(err)
		}
	}
	if granted != 666 {
		t.Fatalf("%d", granted)
	}
}

// ERR-4: a handler's error may hold anything.
func TestErrorDataThatCannotBeSent(t *testing.T) {
	c, _, _ := connected(servedByPlugin)
	call := &Call{connection: c, method: &method{name: "faulty.any"}, id: json.RawMessage("1")}
	call.ctx = context.Background()
	deep := strings.Repeat("[", 99) + strings.Repeat("]", 99)
	for _, data := range []string{"out of paper", deep, `{"a":1,"a":2}`, `"\ud800"`, "9007199254740992"} {
		wire := call.wireError(&RemoteError{Code: 1001, Message: "no", Data: json.RawMessage(data)})
		if wire.Code != codeInternal {
			t.Errorf("%s: %v", data, wire)
		}
	}
	if wire := call.wireError(&RemoteError{Code: 1001, Message: "no", Data: json.RawMessage("[9007199254740991]")}); wire.Code != 1001 {
		t.Error(wire)
	}
}

// LIFE-34: what is short to write is not long to check.
func TestNumbersAreBounded(t *testing.T) {
	within(t, "the check", func() {
		numbers := map[string]any{"type": "array", "uniqueItems": true, "items": map[string]any{"type": "number", "minimum": json.Number("0")}}
		check := func(text string) int {
			_, faults := (&schemas{}).accept(numbers, []byte(text))
			return len(faults)
		}
		list := func(item string, times int) string { return "[" + strings.Repeat(item+",", times-1) + item + "]" }
		if check("[1e-1000000]") != 0 || check(list("1e-1000000", 2000)) != 1 || check("[1,1.0]") != 1 || check("[1,1.5,-0.5]") != 1 {
			t.Error("not as it is")
		}
		different := make([]string, 50_000)
		for at := range different {
			different[at] = string(mustEncode(at))
		}
		if check("["+strings.Join(different, ",")+"]") != 0 {
			t.Error("they differ")
		}
		whole(json.Number(strings.Repeat("9", 4<<20)))
	})
}

// LIFE-19, MSG-39: encoding/json takes names in any case, and the protocol does not.
func TestNamesAreExact(t *testing.T) {
	var limits Limits
	if faults := read(limitsSchema(), json.RawMessage(`{"MAXDEPTH":1,"maxDepth":2,"Maxdepth":0}`), &limits); len(faults) > 0 || limits.MaxDepth != 2 {
		t.Fatalf("%v %v", faults, limits)
	}
}

// JSON-10: what nests too deep fails its call, and it alone.
func TestADeepResultFailsItsCall(t *testing.T) {
	for _, levels := range []int{100, 20_000} {
		c, role, _ := connected(servedByHost)
		p := &pending{name: "faulty.deep", ended: make(chan struct{})}
		c.pendings[3] = p
		c.line([]byte(`{"result":`+strings.Repeat("[", levels)+`"}"`+strings.Repeat("]", levels)+`,"id":3,"jsonrpc":"2.0"}`), 1)
		if len(role.faults) > 0 || !isDone(p.ended) || KindOf(p.err) != KindProtocolViolation {
			t.Fatalf("%d levels: %v %v", levels, role.faults, p.err)
		}
	}
}

// LIFE-6: what comes behind an answer finds it applied.
func TestAnAnswerIsAppliedWhereItIsRead(t *testing.T) {
	c, role, written := connected(servedByHost)
	go func() { _, _ = bufio.NewReader(written).ReadString('\n') }()
	from, answers := io.Pipe()
	go func() {
		_, _ = io.WriteString(answers, `{"jsonrpc":"2.0","id":0,"result":1}`+"\n"+
			`{"jsonrpc":"2.0","method":"rpc.log","params":{"level":"info","message":"next","LEVEL":7}}`+"\n")
	}()
	c.pendings[0] = &pending{name: "rpc.initialize", ended: make(chan struct{}), apply: func(json.RawMessage) error {
		role.mutex.Lock()
		defer role.mutex.Unlock()
		if len(role.logs) > 0 {
			t.Error("the next line was first")
		}
		role.logs = append(role.logs, Log{Message: "applied"})
		return nil
	}}
	go c.run(from)
	within(t, "the log", func() {
		for {
			role.mutex.Lock()
			count := len(role.logs)
			role.mutex.Unlock()
			if count == 2 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// FRAME-16: a line over the limit is not waited for.
func TestALineWithoutAnEndIsGivenUp(t *testing.T) {
	from, to := io.Pipe()
	go func() { _, _ = to.Write(make([]byte, 200)) }()
	reader := &lines{reader: bufio.NewReaderSize(from, 16)}
	within(t, "the reader", func() {
		if _, _, err := reader.next(func() int { return 100 }); !errors.Is(err, errLongLine) {
			t.Error(err)
		}
	})
}

// MSG-41: a user who takes no events delays nobody, and holds up no more than their room.
func TestEventsAreBounded(t *testing.T) {
	told := newEvents()
	for range 3 {
		told.put(roomForEvents/2, func() {})
	}
	told.put(0, func() {})
	if len(told.queue) != 3 || told.dropped != 1 {
		t.Fatalf("%d, and %d dropped", len(told.queue), told.dropped)
	}
}
