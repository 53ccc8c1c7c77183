// The contract with every keyword of JSON Schema, served in Go.
package main

import (
	"context"

	"generated/keywords"
)

type plugin struct{}

func (plugin) Echo(_ context.Context, params keywords.EchoParams) (keywords.One, error) {
	return params.One, nil
}

func main() {
	keywords.Serve(keywords.ServeOptions{
		Name:    "keywords-go",
		Version: "0.1.0",
		Make: func(*keywords.Setup, keywords.Config) (keywords.Implementations, error) {
			return keywords.Implementations{Keywords: plugin{}}, nil
		},
	})
}
