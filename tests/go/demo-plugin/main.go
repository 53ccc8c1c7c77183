// The contract that the transcripts of SPEC.md speak of, served in Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"generated/demo"
)

type plugin struct {
	mutex sync.Mutex
	notes []string
}

func (p *plugin) Add(_ context.Context, params demo.AddParams) (int64, error) {
	return params.A + params.B, nil
}

func (p *plugin) Sleep(ctx context.Context, params demo.SleepParams) error {
	select {
	case <-time.After(time.Duration(params.Ms) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *plugin) Fail(_ context.Context, params demo.FailParams) error {
	return &demo.PlannedError{Data: map[string]json.RawMessage{"reason": json.RawMessage(strconv.Quote(params.Reason))}}
}

func (p *plugin) Log(ctx context.Context, params demo.LogParams) error {
	demo.CallOf(ctx).Log(string(params.Level), params.Message, nil)
	return nil
}

func (p *plugin) Steps(ctx context.Context, params demo.StepsParams) error {
	for step := int64(1); step <= params.N; step++ {
		demo.CallOf(ctx).Progress(float64(step), float64(params.N), "")
	}
	return nil
}

func (p *plugin) Callback(ctx context.Context, params demo.CallbackParams) (string, error) {
	return demo.NewDemoHostClient(demo.Host(ctx)).Ask(ctx, demo.AskParams{Question: params.Question})
}

func (p *plugin) Ping(context.Context) error {
	return errors.New("a handler has no way to ping")
}

func (p *plugin) Count(_ context.Context, params demo.CountParams, output *demo.Output[int64]) error {
	for number := int64(0); number < params.N; number++ {
		if err := output.Send(number); err != nil {
			return err
		}
	}
	return nil
}

func (p *plugin) Fill(_ context.Context, params demo.FillParams, output *demo.Output[string]) error {
	for line := int64(0); line < params.Lines; line++ {
		if err := output.Send(strings.Repeat("x", int(params.Width))); err != nil {
			return err
		}
	}
	return nil
}

func (p *plugin) Sum(_ context.Context, input *demo.Input[int64]) (int64, error) {
	sum := int64(0)
	for input.Next() {
		sum += input.Item()
	}
	return sum, input.Err()
}

func (p *plugin) Double(_ context.Context, input *demo.Input[int64], output *demo.Output[int64]) error {
	for input.Next() {
		if err := output.Send(2 * input.Item()); err != nil {
			return err
		}
	}
	return input.Err()
}

func (p *plugin) Note(_ context.Context, params demo.NoteParams) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.notes = append(p.notes, params.Text)
}

func (p *plugin) Notes(context.Context) ([]string, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.notes, nil
}

func main() {
	demo.Serve(demo.ServeOptions{
		Name:    "demo",
		Version: "1.0.0",
		Limits:  demo.Limits{MaxLineBytes: 65536, MaxInFlight: 2, MaxDepth: 2, StreamWindowBytes: 65536},
		Make: func(_ *demo.Setup, config demo.Config) (demo.Implementations, error) {
			if config.Refuse != nil {
				return demo.Implementations{}, &demo.Declined{Reason: *config.Refuse}
			}
			return demo.Implementations{Demo: &plugin{}}, nil
		},
	})
}
