package users

import (
	"bytes"
	"fmt"
	"slices"
)

// Einstein is the user that every call is about.
var Einstein = User{
	ID:          ID{OpaqueID: "4c510ada-c86b-4815-8820-42cdf82c3d51", Idp: "cernbox.cern.ch"},
	Username:    "einstein",
	Mail:        "einstein@cern.ch",
	DisplayName: "Albert Einstein",
	Groups:      []string{"sailing-lovers", "violin-haters", "physics-lovers"},
	Opaque: Opaque{Map: map[string]OpaqueEntry{
		"gid": {Decoder: "plain", Value: []byte("987")},
		"uid": {Decoder: "plain", Value: []byte("123")},
	}},
}

// Equal says whether two users are the same in every field.
func (u *User) Equal(other *User) bool {
	if u.ID != other.ID || u.Username != other.Username || u.Mail != other.Mail ||
		u.DisplayName != other.DisplayName || !slices.Equal(u.Groups, other.Groups) ||
		len(u.Opaque.Map) != len(other.Opaque.Map) {
		return false
	}
	for name, entry := range u.Opaque.Map {
		there, ok := other.Opaque.Map[name]
		if !ok || entry.Decoder != there.Decoder || !bytes.Equal(entry.Value, there.Value) {
			return false
		}
	}
	return true
}

// Result is what a call of the workload gave.
type Result struct {
	User   User
	Groups []string
	Found  []User
	Err    error
}

// Call is one call of the workload, and what its result must be.
type Call struct {
	Make  func(Manager, *Result)
	right func(*Result) bool
	name  string
}

// Assert checks what a call gave.
func (c *Call) Assert(r *Result) error {
	if r.Err == nil && c.right(r) {
		return nil
	}
	if r.Err == nil {
		return fmt.Errorf("%s: the result is wrong", c.name)
	}
	return fmt.Errorf("%s: %w", c.name, r.Err)
}

// CallOf gives the workload's call of that method; file is what OnLoad loads.
func CallOf(method, file string) (*Call, error) {
	einstein := func(r *Result) bool { return r.User.Equal(&Einstein) }
	switch method {
	case "OnLoad":
		return &Call{
			Make:  func(m Manager, r *Result) { r.Err = m.OnLoad(file) },
			right: func(*Result) bool { return true },
			name:  method,
		}, nil
	case "GetUser":
		return &Call{
			Make:  func(m Manager, r *Result) { r.User, r.Err = m.GetUser(Einstein.ID) },
			right: einstein,
			name:  method,
		}, nil
	case "GetUserByClaim":
		return &Call{
			Make:  func(m Manager, r *Result) { r.User, r.Err = m.GetUserByClaim("mail", Einstein.Mail) },
			right: einstein,
			name:  method,
		}, nil
	case "GetUserGroups":
		return &Call{
			Make:  func(m Manager, r *Result) { r.Groups, r.Err = m.GetUserGroups(Einstein.ID) },
			right: func(r *Result) bool { return slices.Equal(r.Groups, Einstein.Groups) },
			name:  method,
		}, nil
	case "FindUsers":
		return &Call{
			Make:  func(m Manager, r *Result) { r.Found, r.Err = m.FindUsers(Einstein.Username) },
			right: func(r *Result) bool { return len(r.Found) == 1 && r.Found[0].Equal(&Einstein) },
			name:  method,
		}, nil
	}
	return nil, fmt.Errorf("no method %s in the workload", method)
}
