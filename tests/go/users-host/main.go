// Looks somebody up: users-host PLUGIN…
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"generated/users"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command []string) error {
	plugin, err := users.Start(command, users.Options{})
	if err != nil {
		return err
	}
	defer plugin.Stop()
	client, err := users.ConnectUsers(plugin)
	if err != nil {
		return err
	}
	user, err := client.GetUserByClaim(ctx, users.GetUserByClaimParams{Claim: users.ClaimMail, Value: "einstein@cern.ch"})
	if err != nil {
		return err
	}
	groups, err := client.GetUserGroups(ctx, users.GetUserGroupsParams{ID: user.ID})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", user.DisplayName, strings.Join(groups, ", "))
	_, err = client.GetUser(ctx, users.GetUserParams{ID: users.UserID{OpaqueID: "nobody", Idp: "nowhere"}})
	var notFound *users.NotFoundError
	if !errors.As(err, &notFound) {
		return err
	}
	fmt.Println(notFound)
	return nil
}
