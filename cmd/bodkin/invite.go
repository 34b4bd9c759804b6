package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/server"
)

func newInvite(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "invite",
		Short: "Print an invite to a room, on the server",
		Long: `Print the invite to a room of the server whose home directory this is. A room
that is not there yet is made, and a server that is running serves it at once.
Nodes of different rooms cannot see or reach each other.`,
		Example: `  bodkin invite
  bodkin invite --room family
  bodkin invite | ssh ben bodkin join -`,
		Args: cobra.NoArgs,
	}
	room := c.Flags().String("room", server.DefaultRoom, "`name` of the room")
	asJSON := jsonFlag(c, "a JSON object: {room, invite}")
	c.RunE = func(c *cobra.Command, _ []string) error {
		h, err := openHome(g)
		if err != nil {
			return err
		}
		invite, err := server.Invite(h.dir, *room)
		if errors.Is(err, server.ErrNeverStarted) {
			return fail("run this where `bodkin server` runs, with the same --home", "no server has been started with the home %s", h.dir)
		}
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(struct {
				Room   string `json:"room"`
				Invite string `json:"invite"`
			}{*room, invite.String()})
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), invite)
		return err
	}
	return c
}
