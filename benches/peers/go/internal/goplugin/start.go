// Package goplugin starts a plugin with go-plugin, whichever protocol it speaks.
package goplugin

import (
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"plugline.example/peers/internal/driver"
	"plugline.example/peers/internal/netrpc"
	"plugline.example/peers/internal/users"
)

// Start starts a program beside this one.
func Start(program string, protocol plugin.Protocol, served plugin.Plugin) (*driver.Instance, error) {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  netrpc.Handshake,
		Plugins:          plugin.PluginSet{"users": served},
		Cmd:              exec.Command(driver.Sibling(program)),
		AllowedProtocols: []plugin.Protocol{protocol},
		Logger:           hclog.NewNullLogger(),
	})
	manager, err := dispense(client)
	if err != nil {
		client.Kill()
		return nil, err
	}
	return &driver.Instance{Manager: manager, Stop: client.Kill}, nil
}

func dispense(client *plugin.Client) (users.Manager, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	manager, err := protocol.Dispense("users")
	if err != nil {
		return nil, err
	}
	return manager.(users.Manager), nil
}
