// Looks whether a plugin has the rich contract, and prints what differs: connects COMMAND…
package main

import (
	"fmt"
	"os"

	"generated/catalog"
)

func main() {
	plugin, err := catalog.Start(os.Args[1:], catalog.Options{})
	if err != nil {
		panic(err)
	}
	defer plugin.Stop()
	if _, err := catalog.ConnectCatalog(plugin); err != nil {
		fmt.Printf("%s: %v\n", catalog.KindOf(err), err)
		return
	}
	fmt.Println("it fits")
}
