// Package netrpc is the Manager over go-plugin's net/rpc.
package netrpc

import (
	"net/rpc"

	"github.com/hashicorp/go-plugin"

	"plugline.example/peers/internal/users"
)

// Handshake is what client and plugin agree on.
var Handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "USERS_PLUGIN", MagicCookieValue: "users"}

// Plugin serves and dispenses the Manager.
type Plugin struct{ Impl users.Manager }

// Server gives what the plugin serves.
func (p *Plugin) Server(*plugin.MuxBroker) (any, error) { return &Server{p.Impl}, nil }

// Client gives what the host calls.
func (*Plugin) Client(_ *plugin.MuxBroker, client *rpc.Client) (any, error) {
	return &Client{RPC: client, Service: "Plugin"}, nil
}

// Server is the plugin's side, in the form that net/rpc asks for.
type Server struct{ impl users.Manager }

// NewServer serves a Manager.
func NewServer(impl users.Manager) *Server { return &Server{impl} }

// Claim is the params of GetUserByClaim.
type Claim struct {
	Claim string `json:"claim"`
	Value string `json:"value"`
}

// None is a result without content.
type None struct{}

// OnLoad serves the method of that name.
func (s *Server) OnLoad(file string, _ *None) error { return s.impl.OnLoad(file) }

// GetUser serves the method of that name.
func (s *Server) GetUser(id users.ID, user *users.User) (err error) {
	*user, err = s.impl.GetUser(id)
	return err
}

// GetUserByClaim serves the method of that name.
func (s *Server) GetUserByClaim(claim Claim, user *users.User) (err error) {
	*user, err = s.impl.GetUserByClaim(claim.Claim, claim.Value)
	return err
}

// GetUserGroups serves the method of that name.
func (s *Server) GetUserGroups(id users.ID, groups *[]string) (err error) {
	*groups, err = s.impl.GetUserGroups(id)
	return err
}

// FindUsers serves the method of that name.
func (s *Server) FindUsers(query string, found *[]users.User) (err error) {
	*found, err = s.impl.FindUsers(query)
	return err
}

// Client is the host's side.
type Client struct {
	RPC     *rpc.Client
	Service string
}

// OnLoad calls the method of that name.
func (c *Client) OnLoad(file string) error {
	return c.RPC.Call(c.Service+".OnLoad", file, &None{})
}

// GetUser calls the method of that name.
func (c *Client) GetUser(id users.ID) (user users.User, err error) {
	err = c.RPC.Call(c.Service+".GetUser", id, &user)
	return user, err
}

// GetUserByClaim calls the method of that name.
func (c *Client) GetUserByClaim(claim, value string) (user users.User, err error) {
	err = c.RPC.Call(c.Service+".GetUserByClaim", Claim{claim, value}, &user)
	return user, err
}

// GetUserGroups calls the method of that name.
func (c *Client) GetUserGroups(id users.ID) (groups []string, err error) {
	err = c.RPC.Call(c.Service+".GetUserGroups", id, &groups)
	return groups, err
}

// FindUsers calls the method of that name.
func (c *Client) FindUsers(query string) (found []users.User, err error) {
	err = c.RPC.Call(c.Service+".FindUsers", query, &found)
	return found, err
}
