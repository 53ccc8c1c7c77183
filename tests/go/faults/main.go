// A host, and a plugin that breaks the rules: faults COMMAND…, to which the way is added that it goes wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"generated/faulty"
)

var ctx = context.Background()

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func same(found, wanted any) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("%#v, not %#v", found, wanted))
	}
}

func failed(_ any, err error) *faulty.Failure {
	var failure *faulty.Failure
	if !errors.As(err, &failure) {
		panic(fmt.Sprintf("no failure: %v", err))
	}
	return failure
}

// lives says whether a process is there and no zombie.
func lives(pid int64) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}

func gone(pid int64) {
	for look := 0; lives(pid); look++ {
		if look == 1000 {
			panic(fmt.Sprintf("process %d lives on", pid))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

type started struct {
	plugin *faulty.Plugin
	client *faulty.FaultyClient
	pid    int64
	mutex  sync.Mutex
	told   string
	stray  []string
}

func (s *started) noticed() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return strings.Fields(strings.ReplaceAll(s.told, "end of input", "end"))
}

// strays waits for the first, which is told beside the answers.
func (s *started) strays() []string {
	for late := time.Now().Add(20 * time.Second); ; {
		s.mutex.Lock()
		found := append([]string(nil), s.stray...)
		s.mutex.Unlock()
		if len(found) > 0 || time.Now().After(late) {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func try(way string, options faulty.Options) (*started, error) {
	s := &started{}
	for _, patience := range []*time.Duration{&options.CloseTimeout, &options.TermTimeout} {
		if *patience == 0 {
			*patience = 100 * time.Millisecond
		}
	}
	options.OnStderr = func(text []byte) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.told += string(text)
	}
	options.OnStray = func(line string) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.stray = append(s.stray, line)
	}
	var err error
	if s.plugin, err = faulty.Start(append(os.Args[1:], way), options); err != nil {
		return nil, err
	}
	s.pid = must(strconv.ParseInt(strings.TrimPrefix(s.plugin.Name, "faulty-"), 10, 64))
	s.client, err = faulty.ConnectFaulty(s.plugin)
	return s, err
}

func start(way string, options faulty.Options) *started {
	return must(try(way, options))
}

func main() {
	// The ladder, as far down as each makes it go. Whoever yields late gets the time it needs.
	polite := start("polite", faulty.Options{CloseTimeout: time.Minute})
	polite.plugin.Stop()
	same(polite.noticed(), []string{"shutdown", "end"})
	same(lives(polite.pid), false)
	deaf := start("deaf", faulty.Options{Grace: 10 * time.Millisecond, CloseTimeout: time.Minute})
	deaf.plugin.Stop()
	same(deaf.noticed(), []string{"shutdown", "end"})
	yielding := start("yielding", faulty.Options{TermTimeout: time.Minute})
	yielding.plugin.Stop()
	// Whether it gets to the end of its input before it is told to end is its own affair.
	told := strings.ReplaceAll(strings.Join(yielding.noticed(), " "), " end", "")
	same(told, "shutdown SIGTERM")
	same(lives(yielding.pid), false)
	stubborn := start("stubborn", faulty.Options{})
	stubborn.plugin.Stop()
	same(stubborn.noticed()[0], "shutdown")
	same(lives(stubborn.pid), false)

	// It never gets as far as a handshake.
	same(failed(try("silent", faulty.Options{StartTimeout: 100 * time.Millisecond})).Kind, faulty.KindHandshakeTimeout)
	early := failed(try("early", faulty.Options{}))
	same(early.Kind, faulty.KindPluginExited)
	same(early.Exit, "exit status 7")
	same(early.StderrTail, "on its way out\n")

	// It ends, with calls in flight: each has failed, and says of what.
	for _, end := range []struct{ how, exit string }{{"exit", "exit status 3"}, {"kill", "signal: killed"}} {
		s := start("polite", faulty.Options{})
		waiting := make(chan *faulty.Failure)
		go func() { waiting <- failed(s.client.Hang(ctx)) }()
		call := s.client.Exit
		if end.how == "kill" {
			call = s.client.Kill
		}
		for _, fault := range []*faulty.Failure{failed(call(ctx)), <-waiting, failed(s.client.Hang(ctx))} {
			same(fault.Kind, faulty.KindPluginExited)
			same(fault.Exit, end.exit)
		}
		s.plugin.Stop()
		same(lives(s.pid), false)
	}

	// It speaks out of turn.
	for _, way := range []func(*started) (int64, error){
		func(s *started) (int64, error) { return s.client.Garbage(ctx) },
		func(s *started) (int64, error) { return s.client.Spoilt(ctx) },
	} {
		s := start("polite", faulty.Options{})
		same(failed(way(s)).Kind, faulty.KindProtocolViolation)
		gone(s.pid)
	}
	s := start("polite", faulty.Options{})
	same(must(s.client.Stray(ctx)), int64(1))
	same(s.strays(), []string{"printed \ufffd[31m by a library"})
	wrong := failed(s.client.Wrong(ctx))
	same(wrong.Kind, faulty.KindProtocolViolation)
	same(strings.Contains(wrong.Error(), "faulty.wrong"), true)
	// It hangs: that is the call's own end, and no more.
	brief, release := context.WithTimeout(ctx, 20*time.Millisecond)
	same(failed(s.client.Hang(brief)).Kind, faulty.KindTimeout)
	release()
	same(must(s.client.Stray(ctx)), int64(1))
	s.plugin.Stop()

	// It closes its output and lives: it is ended.
	closing := start("stubborn", faulty.Options{})
	same(failed(closing.client.Close(ctx)).Kind, faulty.KindClosed)
	gone(closing.pid)

	// Its leader ends, and leaves one behind who holds the pipes: it delays nothing, and is ended.
	leaving := start("polite", faulty.Options{})
	left := must(leaving.client.Leave(ctx))
	same(lives(left), true)
	same(failed(leaving.client.Exit(ctx)).Kind, faulty.KindPluginExited)
	gone(left)
	same(lives(leaving.pid), false)
	leaving.plugin.Stop()
	fmt.Println("ok")
}
