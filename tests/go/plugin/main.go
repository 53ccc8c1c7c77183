// The rich contract, served in Go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"generated/catalog"
)

type plugin struct {
	mutex sync.Mutex
	notes []string
}

func (p *plugin) Echo(_ context.Context, params catalog.EchoParams) (catalog.Everything, error) {
	return params.Everything, nil
}

func (p *plugin) Fail(_ context.Context, params catalog.FailParams) error {
	switch params.How {
	case catalog.FailHowNotFound:
		return &catalog.NotFoundError{}
	case catalog.FailHowConflict:
		return &catalog.ConflictError{Data: catalog.ConflictData{Revision: 7, By: &catalog.Person{Name: "Ada"}}}
	case catalog.FailHowBusy:
		return fmt.Errorf("wrapped: %w", &catalog.BusyNowError{Data: 3})
	default:
		panic("as it was told")
	}
}

func (p *plugin) Find(_ context.Context, params catalog.FindParams) ([]string, error) {
	if params.ID == "nobody" {
		return nil, &catalog.NotFoundError{}
	}
	limit, after := "none", "absent"
	if params.Limit != nil {
		limit = fmt.Sprint(*params.Limit)
	}
	if params.After != nil {
		after = string(*params.After)
	}
	return []string{string(params.ID), "limit=" + limit, "after=" + after}, nil
}

func (p *plugin) Count(_ context.Context, params catalog.CountParams, output *catalog.Output[int64]) error {
	for number := int64(0); number < params.N; number++ {
		if err := output.Send(number); err != nil {
			return err
		}
	}
	return nil
}

func (p *plugin) Sum(_ context.Context, input *catalog.Input[int64]) (int64, error) {
	sum := int64(0)
	for input.Next() {
		sum += input.Item()
	}
	return sum, input.Err()
}

func (p *plugin) Convert(_ context.Context, params catalog.ConvertParams, input *catalog.Input[int64], output *catalog.Output[int64]) (catalog.Summary, error) {
	count := int64(0)
	for input.Next() {
		count++
		if err := output.Send(input.Item() * params.Factor); err != nil {
			return catalog.Summary{}, err
		}
	}
	return catalog.Summary{Count: count}, input.Err()
}

func (p *plugin) Blobs(_ context.Context, params catalog.BlobsParams, output *catalog.Output[catalog.Blob]) error {
	for _, size := range params.Sizes {
		blob := make(catalog.Blob, size)
		for at := range blob {
			blob[at] = byte(size % 256)
		}
		if err := output.Send(blob); err != nil {
			return err
		}
	}
	return nil
}

func (p *plugin) Wait(ctx context.Context, params catalog.WaitParams) (bool, error) {
	call := catalog.CallOf(ctx)
	call.Progress(0, float64(params.Ms), "begun")
	select {
	case <-time.After(time.Duration(params.Ms) * time.Millisecond):
		call.Log("info", "waited", map[string]any{"ms": params.Ms})
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (p *plugin) Note(_ context.Context, params catalog.NoteParams) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.notes = append(p.notes, params.Text)
}

func (p *plugin) Notes(context.Context) ([]string, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.notes, nil
}

func (p *plugin) Relay(ctx context.Context, params catalog.RelayParams) (string, error) {
	audit := catalog.NewAuditClient(catalog.Host(ctx))
	if err := audit.Told(ctx, catalog.ToldParams{What: "asking " + params.Question}); err != nil {
		return "", err
	}
	return audit.Ask(ctx, catalog.AskParams{Question: params.Question})
}

func (p *plugin) Print(_ context.Context, params catalog.PrintParams) error {
	fmt.Println(params.Text)
	_, err := os.Stdout.WriteString(params.Text + "\n")
	return err
}

func (p *plugin) Type(_ context.Context, params catalog.TypeParams) (string, error) {
	or := func(text *string) string {
		if text == nil {
			return "-"
		}
		return *text
	}
	items, returns := "-", "-"
	if params.MaxItems != nil {
		items = fmt.Sprint(*params.MaxItems)
	}
	if params.Return != nil {
		returns = fmt.Sprint(*params.Return)
	}
	return fmt.Sprintf("%s %s %s %s", params.Class, items, or(params.Self), returns), nil
}

func main() {
	catalog.Serve(catalog.ServeOptions{
		Name:    "catalog-go",
		Version: "0.1.0",
		Make: func(_ *catalog.Setup, config catalog.Config) (catalog.Implementations, error) {
			if config.Refuse != nil {
				if *config.Refuse == "" {
					return catalog.Implementations{}, errors.New("for no reason")
				}
				return catalog.Implementations{}, &catalog.Declined{Reason: *config.Refuse}
			}
			return catalog.Implementations{Catalog: &plugin{}}, nil
		},
	})
}
