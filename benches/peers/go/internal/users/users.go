// Package users is the workload that all systems serve: the Manager of a 2021 benchmark of Go plugin systems.
package users

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
)

// ID says who somebody is.
type ID struct {
	OpaqueID string `json:"opaque_id"`
	Idp      string `json:"idp"`
}

// OpaqueEntry is an encoded value.
type OpaqueEntry struct {
	Decoder string `json:"decoder"`
	Value   []byte `json:"value"`
}

// Opaque is what only a provider understands.
type Opaque struct {
	Map map[string]OpaqueEntry `json:"map"`
}

// User is somebody.
type User struct {
	ID          ID       `json:"id"`
	Username    string   `json:"username"`
	Mail        string   `json:"mail"`
	DisplayName string   `json:"display_name"`
	Groups      []string `json:"groups"`
	Opaque      Opaque   `json:"opaque"`
}

// Manager is what every plugin serves and every client calls.
type Manager interface {
	OnLoad(file string) error
	GetUser(id ID) (User, error)
	GetUserByClaim(claim, value string) (User, error)
	GetUserGroups(id ID) ([]string, error)
	FindUsers(query string) ([]User, error)
}

// ErrNotFound says that nobody is that.
var ErrNotFound = errors.New("no such user")

// List serves users from a file.
type List struct {
	mutex sync.RWMutex
	users []User
}

// OnLoad replaces the users with those of that file.
func (l *List) OnLoad(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var users []User
	if err := json.Unmarshal(text, &users); err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.users = users
	return nil
}

func (l *List) find(wanted func(*User) bool) (User, error) {
	l.mutex.RLock()
	defer l.mutex.RUnlock()
	for i := range l.users {
		if wanted(&l.users[i]) {
			return l.users[i], nil
		}
	}
	return User{}, ErrNotFound
}

// GetUser finds one user by id.
func (l *List) GetUser(id ID) (User, error) {
	return l.find(func(u *User) bool { return u.ID == id })
}

// GetUserByClaim finds one user by something that only they have.
func (l *List) GetUserByClaim(claim, value string) (User, error) {
	return l.find(func(u *User) bool {
		switch claim {
		case "mail":
			return u.Mail == value
		case "username":
			return u.Username == value
		case "display_name":
			return u.DisplayName == value
		}
		return false
	})
}

// GetUserGroups names the groups that a user is in.
func (l *List) GetUserGroups(id ID) ([]string, error) {
	user, err := l.GetUser(id)
	return user.Groups, err
}

// FindUsers finds the users of whom something contains the query, in whatever case.
func (l *List) FindUsers(query string) ([]User, error) {
	query = strings.ToLower(query)
	l.mutex.RLock()
	defer l.mutex.RUnlock()
	var found []User
	for _, user := range l.users {
		texts := []string{user.Username, user.DisplayName, user.Mail, user.ID.OpaqueID}
		if slices.ContainsFunc(texts, func(text string) bool {
			return strings.Contains(strings.ToLower(text), query)
		}) {
			found = append(found, user)
		}
	}
	return found, nil
}
