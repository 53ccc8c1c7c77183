// Command native-client measures a native Go plugin.
package main

import (
	"fmt"
	"plugin"

	"plugline.example/peers/internal/driver"
	"plugline.example/peers/internal/users"
)

func main() {
	driver.Batch = 100
	driver.Run(func() (*driver.Instance, error) {
		native, err := plugin.Open(driver.Sibling("native.so"))
		if err != nil {
			return nil, err
		}
		symbol, err := native.Lookup("Manager")
		if err != nil {
			return nil, err
		}
		manager, ok := symbol.(*users.Manager)
		if !ok {
			return nil, fmt.Errorf("Manager is of another type")
		}
		return &driver.Instance{Manager: *manager, Stop: func() {}}, nil
	})
}
