// Calls the rich contract, served in whatever language: host COMMAND…
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"sync"
	"time"

	"generated/catalog"
)

type audit struct {
	mutex sync.Mutex
	told  []string
}

func (a *audit) Ask(_ context.Context, params catalog.AskParams) (string, error) {
	if params.Question == "nobody knows" {
		return "", &catalog.UnknownError{Data: "not even me"}
	}
	return params.Question + "? Because.", nil
}

func (a *audit) Told(_ context.Context, params catalog.ToldParams) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.told = append(a.told, params.What)
}

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

func of[T any](value T) *T {
	return &value
}

func everything() catalog.Everything {
	huge, _ := new(big.Int).SetString("-123456789012345678901234567890123456789", 10)
	return catalog.Everything{
		Entry: catalog.Entry{
			ID: "a-1", Title: "Ünïcode \u2028 \U0001f600 <&>", Size: 1<<53 - 1, Ratio: 0.5,
			Status: catalog.StatusN2ndEdition, Tags: []catalog.Tag{"x"}, Labels: map[string]string{"k": "v"},
			History: []catalog.Event{
				{Created: &catalog.Created{By: catalog.Person{Name: "Ada", Manager: &catalog.Person{Name: "Bob"}}}},
				{Moved: &catalog.Moved{From: []string{"a"}, To: "b"}},
				{Deleted: &catalog.EventDeleted{}},
			},
			Created: time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC), Content: []byte{0, 1, 2, 255},
			Serial: 1<<64 - 1, Balance: &catalog.Integer{Int: *new(big.Int).Lsh(big.NewInt(-1), 127)},
			Place: &catalog.EntryPlace{X: 1.5, Y: -2, Level: of(catalog.EntryPlaceLevelRoof)},
			Span:  &catalog.Pair[int64, string]{First: 1, Second: "a"}, Anything: json.RawMessage(`{"deep":[1,null]}`),
		},
		Shape: catalog.Shape{Group: &[]catalog.Shape{
			{Point: true}, {Circle: &catalog.ShapeCircle{Radius: 1}}, {Polygon: &[]catalog.Corner{{First: 0, Second: 1}}},
		}},
		Amounts: []catalog.Amount{
			{Integer: of(int64(1))}, {Text: of("two")}, {Measured: &catalog.Measured{Value: 3, Unit: "m"}}, {List: &[]int64{4}},
		},
		Tree: catalog.Tree{"a": {"b": {}}}, Big: catalog.Integer{Int: *huge},
		Moment:   time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
		Words:    &catalog.Words{Type: "t", Class: "c", Self: of("s"), WithSpace: of("w")},
		Maybe:    []*catalog.Event{nil, {Deleted: &catalog.EventDeleted{Reason: of("r")}}},
		Statuses: map[string]catalog.Status{"a": catalog.StatusInReview}, Small: of(uint8(255)),
	}
}

func main() {
	command := os.Args[1:]
	ctx := context.Background()
	_, err := catalog.Start([]string{"/nowhere/at-all"}, catalog.Options{})
	same(catalog.KindOf(err), catalog.KindSpawnFailed)
	_, err = catalog.Start(command, catalog.Options{Config: catalog.Config{Refuse: of("no GPU here")}})
	same(catalog.KindOf(err), catalog.KindDeclined)
	_, err = catalog.Start(command, catalog.Options{Config: map[string]any{"greeting": 7}})
	same(catalog.KindOf(err), catalog.KindInvalidConfig)

	served := &audit{}
	plugin := must(catalog.Start(command, catalog.Options{Serves: []catalog.Implementation{catalog.ImplementAudit(served)}}))
	client := must(catalog.ConnectCatalog(plugin))
	same(plugin.Provides["catalog"], "1.2.0")

	sent := everything()
	echoed := must(client.Echo(ctx, catalog.EchoParams{Everything: sent}))
	same(echoed.Entry.Created.Equal(sent.Entry.Created), true)
	same(string(must(json.Marshal(echoed.Entry.History))), string(must(json.Marshal(sent.Entry.History))))
	same(echoed.Shape, sent.Shape)
	same(echoed.Amounts, sent.Amounts)
	same(echoed.Tree, sent.Tree)
	same(echoed.Big.Cmp(&sent.Big.Int), 0)
	same(echoed.Entry.Balance.Cmp(&sent.Entry.Balance.Int), 0)
	same(echoed.Entry.Serial, sent.Entry.Serial)
	same(echoed.Entry.Content, sent.Entry.Content)
	same(echoed.Entry.Title, sent.Entry.Title)
	same(*echoed.Entry.Span, *sent.Entry.Span)
	same(*echoed.Words, *sent.Words)
	same(echoed.Maybe, sent.Maybe)
	same(*echoed.Small, *sent.Small)

	var notFound *catalog.NotFoundError
	same(errors.As(client.Fail(ctx, catalog.FailParams{How: catalog.FailHowNotFound}), &notFound), true)
	var conflict *catalog.ConflictError
	same(errors.As(client.Fail(ctx, catalog.FailParams{How: catalog.FailHowConflict}), &conflict), true)
	same(conflict.Data, catalog.ConflictData{Revision: 7, By: &catalog.Person{Name: "Ada"}})
	var busy *catalog.BusyNowError
	same(errors.As(client.Fail(ctx, catalog.FailParams{How: catalog.FailHowBusy}), &busy), true)
	same(busy.Data, int64(3))
	var remote *catalog.RemoteError
	same(errors.As(client.Fail(ctx, catalog.FailParams{How: catalog.FailHowPanic}), &remote), true)
	same(remote.Code, int64(-32603))

	same(must(client.Find(ctx, catalog.FindParams{ID: "abc", Limit: of(int64(5))})), []string{"abc", "limit=5", "after=absent"})

	counting := must(client.Count(ctx, catalog.CountParams{N: 20_000}))
	sum := int64(0)
	for counting.Next() {
		sum += counting.Item()
	}
	must(counting.Finish())
	same(sum, int64(20_000*19_999/2))
	counting = must(client.Count(ctx, catalog.CountParams{N: 1_000_000}))
	for counting.Next() && counting.Item() < 3 {
	}
	counting.Close()
	_, err = counting.Finish()
	same(catalog.KindOf(err), catalog.KindCancelled)
	same(plugin.Ping(ctx), nil)

	summing := must(client.Sum(ctx))
	for number := int64(0); number < 20_000; number++ {
		must(0, summing.Send(number))
	}
	same(must(summing.Finish()), int64(20_000*19_999/2))

	converting := must(client.Convert(ctx, catalog.ConvertParams{Factor: 3}))
	go func() {
		for number := int64(0); number < 20_000; number++ {
			must(0, converting.Send(number))
		}
		converting.CloseSend()
	}()
	for wanted := int64(0); converting.Next(); wanted++ {
		same(converting.Item(), 3*wanted)
	}
	same(must(converting.Finish()), catalog.Summary{Count: 20_000})

	sizes := []int64{0, 3, 100_000, 100_000, 100_000, 100_000, 100_000}
	blobs := must(client.Blobs(ctx, catalog.BlobsParams{Sizes: sizes}))
	for at := 0; blobs.Next(); at++ {
		same(int64(len(blobs.Item())), sizes[at])
	}
	must(blobs.Finish())

	// Cancelled once it is known to be running.
	running, cancel := context.WithCancel(ctx)
	running = catalog.WithProgress(running, func(catalog.Progress) { cancel() })
	_, err = client.Wait(running, catalog.WaitParams{Ms: 600_000})
	same(catalog.KindOf(err), catalog.KindCancelled)
	brief, release := context.WithTimeout(ctx, 50*time.Millisecond)
	_, err = client.Wait(brief, catalog.WaitParams{Ms: 600_000})
	release()
	same(catalog.KindOf(err), catalog.KindTimeout)
	same(must(client.Wait(ctx, catalog.WaitParams{Ms: 1})), true)

	must(0, client.Note(ctx, catalog.NoteParams{Text: "first"}))
	must(0, client.Note(ctx, catalog.NoteParams{Text: "second"}))
	same(must(client.Notes(ctx)), []string{"first", "second"})

	same(must(client.Relay(ctx, catalog.RelayParams{Question: "why"})), "why? Because.")
	served.mutex.Lock()
	same(served.told, []string{"asking why"})
	served.mutex.Unlock()
	_, err = client.Relay(ctx, catalog.RelayParams{Question: "nobody knows"})
	same(errors.As(err, &remote), true)
	same(remote.Code, int64(7))

	must(0, client.Print(ctx, catalog.PrintParams{Text: "printed by a plugin"}))
	same(must(client.Type(ctx, catalog.TypeParams{Class: "a", MaxItems: of(int64(3)), Self: of("b"), Return: of(true)})), "a 3 b true")

	var all sync.WaitGroup
	for number := 0; number < 500; number++ {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			id := fmt.Sprint("id-", number)
			same(must(client.Find(ctx, catalog.FindParams{ID: catalog.EntryID(id)}))[0], id)
		}(number)
	}
	all.Wait()

	plugin.Stop()
	_, err = client.Notes(ctx)
	same(catalog.KindOf(err), catalog.KindClosed)
	fmt.Println("ok")
}
