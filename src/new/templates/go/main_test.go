package main

import "testing"

func TestHello(t *testing.T) {
	for _, row := range []struct {
		config params
		wanted string
	}{
		{params{}, "Hello, Ada!"},
		{params{"greeting": "Moo"}, "Moo, Ada!"},
	} {
		if err := configure(row.config); err != nil {
			t.Fatal(err)
		}
		phase = "ready"
		got, err := call("my_plugin.hello", params{"name": "Ada"})
		if got != row.wanted || err != nil {
			t.Errorf("config %v: got %v, %v; wanted %q", row.config, got, err, row.wanted)
		}
	}
}

func TestWhatItCannotUseIsRefused(t *testing.T) {
	if err := configure(params{"greeting": true}); err == nil {
		t.Error("a config with a wrong greeting is taken")
	}
	phase = "ready"
	if _, err := call("my_plugin.hello", params{}); err == nil {
		t.Error("params without a name are taken")
	}
}
