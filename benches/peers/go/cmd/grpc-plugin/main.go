// Command grpc-plugin is a go-plugin plugin over gRPC.
package main

import (
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"plugline.example/peers/internal/grpcusers"
	"plugline.example/peers/internal/netrpc"
	"plugline.example/peers/internal/users"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: netrpc.Handshake,
		Plugins:         plugin.PluginSet{"users": &grpcusers.Plugin{Impl: &users.List{}}},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.NewNullLogger(),
	})
}
