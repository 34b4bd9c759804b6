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
Nodes of different rooms cannot see or reach each other.

With --renew, the invites to the room that were handed out before are void: for when one was seen
by the wrong eyes, when somebody is to leave, or to close a room, by telling nobody the new one.
The server turns away who came by them, within half a minute. The others join again, by the
new invite: bodkin join INVITE --replace.`,
		Example: `  bodkin invite
  bodkin invite --room family
  bodkin invite --room family --renew
  bodkin invite | ssh ben bodkin join -`,
		Args: cobra.NoArgs,
	}
	room := c.Flags().String("room", server.DefaultRoom, "`name` of the room")
	renew := c.Flags().Bool("renew", false, "make a new invite, and those from before void")
	asJSON := jsonFlag(c, "a JSON object: {room, invite}")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := server.CheckRoomName(*room); err != nil {
			return misuse("for example --room family", "%s", plain(err))
		}
		h, err := openHome(g)
		if err != nil {
			return err
		}
		open := server.Invite
		if *renew {
			open = server.RenewInvite
		}
		invite, err := open(h.dir, *room)
		if errors.Is(err, server.ErrNeverStarted) {
			return fail("run this where `bodkin server` runs, with the same --home", "no server has been started with the home %s", h.dir)
		}
		if errors.Is(err, server.ErrNoRoom) {
			return fail("without --renew it is made", "there is no room %s to renew the invite to", *room)
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
