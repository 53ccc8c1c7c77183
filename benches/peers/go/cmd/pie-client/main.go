// Command pie-client measures pie with the JSON-RPC codec.
package main

import (
	"net/rpc/jsonrpc"
	"os"

	"github.com/natefinch/pie"

	"plugline.example/peers/internal/driver"
	"plugline.example/peers/internal/netrpc"
)

func main() {
	driver.Run(func() (*driver.Instance, error) {
		client, err := pie.StartProviderCodec(jsonrpc.NewClientCodec, os.Stderr, driver.Sibling("pie-plugin"))
		if err != nil {
			return nil, err
		}
		instance := &driver.Instance{
			Manager: &netrpc.Client{RPC: client, Service: "Users"},
			Stop:    func() { _ = client.Close() },
		}
		return instance, nil
	})
}
