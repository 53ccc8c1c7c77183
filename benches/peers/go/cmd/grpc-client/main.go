// Command grpc-client measures go-plugin over gRPC.
package main

import (
	"github.com/hashicorp/go-plugin"

	"plugline.example/peers/internal/driver"
	"plugline.example/peers/internal/goplugin"
	"plugline.example/peers/internal/grpcusers"
)

func main() {
	driver.Run(func() (*driver.Instance, error) {
		instance, err := goplugin.Start("grpc-plugin", plugin.ProtocolGRPC, &grpcusers.Plugin{})
		if err == nil {
			instance.Stream = instance.Manager.(*grpcusers.Client).Stream
		}
		return instance, err
	})
}
