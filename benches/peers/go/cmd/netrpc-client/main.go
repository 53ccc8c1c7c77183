// Command netrpc-client measures go-plugin over net/rpc.
package main

import (
	"github.com/hashicorp/go-plugin"

	"plugline.example/peers/internal/driver"
	"plugline.example/peers/internal/goplugin"
	"plugline.example/peers/internal/netrpc"
)

func main() {
	driver.Run(func() (*driver.Instance, error) {
		return goplugin.Start("netrpc-plugin", plugin.ProtocolNetRPC, &netrpc.Plugin{})
	})
}
