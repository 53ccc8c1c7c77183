// The plugin my-plugin: what it does. How it is spoken to is in protocol.go.
package main

import (
	_ "embed"
)

const name, version = "my-plugin", "0.1.0"

//go:embed contract.openrpc.json
var contract []byte

func manifestText() ([]byte, error) { return contract, nil }

// The methods of the contract: what their params must be, and what answers them. One that fails as the contract says
// returns &fault{code, message, data}.
var methods = map[string]method{
	"my_plugin.hello": {members{"name": text}, hello},
}

var configShape = members{"greeting?": text}

var greeting string

// Takes the config, once, before anything is called.
func configure(config any) error {
	given, _ := config.(map[string]any)
	wrong := append(faults(config, configShape, ""), unknown(given, configShape)...)
	if len(wrong) > 0 {
		return &fault{-32002, "the config is wrong", map[string]any{"errors": wrong}}
	}
	greeting = "Hello"
	if said, ok := given["greeting"].(string); ok {
		greeting = said
	}
	return nil
}

func hello(p params) (any, error) {
	return greeting + ", " + p["name"].(string) + "!", nil
}
