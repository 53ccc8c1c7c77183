// Command pie-plugin is a pie plugin with the JSON-RPC codec.
package main

import (
	"net/rpc/jsonrpc"

	"github.com/natefinch/pie"

	"plugline.example/peers/internal/netrpc"
	"plugline.example/peers/internal/users"
)

func main() {
	provider := pie.NewProvider()
	if err := provider.RegisterName("Users", netrpc.NewServer(&users.List{})); err != nil {
		panic(err)
	}
	provider.ServeCodec(jsonrpc.NewServerCodec)
}
