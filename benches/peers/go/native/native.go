// Command native is a native Go plugin: built with -buildmode=plugin and loaded into the client's own process.
package main

import "plugline.example/peers/internal/users"

// Manager is the symbol that the client looks up.
var Manager users.Manager = &users.List{}

func main() {}
