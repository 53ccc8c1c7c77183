// Command netrpc-plugin is a go-plugin plugin over net/rpc.
package main

import (
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"plugline.example/peers/internal/netrpc"
	"plugline.example/peers/internal/users"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: netrpc.Handshake,
		Plugins:         plugin.PluginSet{"users": &netrpc.Plugin{Impl: &users.List{}}},
		Logger:          hclog.NewNullLogger(),
	})
}
