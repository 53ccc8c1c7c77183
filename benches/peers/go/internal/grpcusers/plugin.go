// Package grpcusers is the Manager over go-plugin's gRPC. The .pb.go files are generated:
//
//go:generate protoc --go_out=paths=source_relative:. --go-grpc_out=paths=source_relative:. users.proto
package grpcusers

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"plugline.example/peers/internal/users"
)

// Plugin serves and dispenses the Manager.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	Impl users.Manager
}

// GRPCServer registers what the plugin serves.
func (p *Plugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	RegisterManagerServer(server, &service{impl: p.Impl})
	return nil
}

// GRPCClient gives what the host calls.
func (*Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &Client{NewManagerClient(conn)}, nil
}

// Client is the host's side.
type Client struct{ grpc ManagerClient }

// OnLoad calls the method of that name.
func (c *Client) OnLoad(file string) error {
	_, err := c.grpc.OnLoad(context.Background(), &File{Path: file})
	return err
}

// GetUser calls the method of that name.
func (c *Client) GetUser(id users.ID) (users.User, error) {
	return fromMessage(c.grpc.GetUser(context.Background(), &Id{OpaqueId: id.OpaqueID, Idp: id.Idp}))
}

// GetUserByClaim calls the method of that name.
func (c *Client) GetUserByClaim(claim, value string) (users.User, error) {
	return fromMessage(c.grpc.GetUserByClaim(context.Background(), &Claim{Claim: claim, Value: value}))
}

// GetUserGroups calls the method of that name.
func (c *Client) GetUserGroups(id users.ID) ([]string, error) {
	groups, err := c.grpc.GetUserGroups(context.Background(), &Id{OpaqueId: id.OpaqueID, Idp: id.Idp})
	return groups.GetNames(), err
}

// FindUsers calls the method of that name.
func (c *Client) FindUsers(query string) ([]users.User, error) {
	found, err := c.grpc.FindUsers(context.Background(), &Query{Text: query})
	list := make([]users.User, len(found.GetUsers()))
	for i, message := range found.GetUsers() {
		list[i], _ = fromMessage(message, nil)
	}
	return list, err
}

// Stream receives that many bytes in chunks.
func (c *Client) Stream(chunk, bytes int) (received int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := c.grpc.Stream(ctx, &Size{Chunk: int64(chunk), Bytes: int64(bytes)})
	for err == nil && received < bytes {
		var message *Chunk
		message, err = stream.Recv()
		received += len(message.GetData())
	}
	return received, err
}

func fromMessage(m *User, err error) (users.User, error) {
	if err != nil {
		return users.User{}, err
	}
	opaque := make(map[string]users.OpaqueEntry, len(m.Opaque))
	for name, entry := range m.Opaque {
		opaque[name] = users.OpaqueEntry{Decoder: entry.Decoder, Value: entry.Value}
	}
	return users.User{
		ID:          users.ID{OpaqueID: m.Id.GetOpaqueId(), Idp: m.Id.GetIdp()},
		Username:    m.Username,
		Mail:        m.Mail,
		DisplayName: m.DisplayName,
		Groups:      m.Groups,
		Opaque:      users.Opaque{Map: opaque},
	}, nil
}

// service is the plugin's side.
type service struct {
	UnimplementedManagerServer
	impl users.Manager
}

func (s *service) OnLoad(_ context.Context, file *File) (*None, error) {
	return &None{}, s.impl.OnLoad(file.Path)
}

func (s *service) GetUser(_ context.Context, id *Id) (*User, error) {
	return toMessage(s.impl.GetUser(users.ID{OpaqueID: id.OpaqueId, Idp: id.Idp}))
}

func (s *service) GetUserByClaim(_ context.Context, claim *Claim) (*User, error) {
	return toMessage(s.impl.GetUserByClaim(claim.Claim, claim.Value))
}

func (s *service) GetUserGroups(_ context.Context, id *Id) (*Groups, error) {
	groups, err := s.impl.GetUserGroups(users.ID{OpaqueID: id.OpaqueId, Idp: id.Idp})
	return &Groups{Names: groups}, err
}

func (s *service) FindUsers(_ context.Context, query *Query) (*Found, error) {
	list, err := s.impl.FindUsers(query.Text)
	found := &Found{Users: make([]*User, len(list))}
	for i, user := range list {
		found.Users[i], _ = toMessage(user, nil)
	}
	return found, err
}

func (s *service) Stream(size *Size, stream grpc.ServerStreamingServer[Chunk]) error {
	data := make([]byte, size.Chunk)
	for left := size.Bytes; left > 0; left -= int64(len(data)) {
		data = data[:min(left, int64(len(data)))]
		if err := stream.Send(&Chunk{Data: data}); err != nil {
			return err
		}
	}
	return nil
}

func toMessage(u users.User, err error) (*User, error) {
	if err != nil {
		return nil, err
	}
	opaque := make(map[string]*Entry, len(u.Opaque.Map))
	for name, entry := range u.Opaque.Map {
		opaque[name] = &Entry{Decoder: entry.Decoder, Value: entry.Value}
	}
	return &User{
		Id:          &Id{OpaqueId: u.ID.OpaqueID, Idp: u.ID.Idp},
		Username:    u.Username,
		Mail:        u.Mail,
		DisplayName: u.DisplayName,
		Groups:      u.Groups,
		Opaque:      opaque,
	}, nil
}
