package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/identity"
)

// maxInviteInput bounds what is read in search of an invite.
const maxInviteInput = 64 << 10

func newJoin(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "join INVITE",
		Short: "Remember a room and its server",
		Long: `Remember the room and the server of an invite, and the name by which the others
may call this machine. Nothing is sent yet: bodkin up connects.

An invite on the command line can be seen by other users of this machine while
the command runs, and stays in the shell's history. To avoid both, give - and the
invite on stdin, or put it into BODKIN_INVITE. With that, any command on a machine
that has joined no room yet joins first.`,
		Example: `  bodkin join bodkin1q...
  bodkin join bodkin1q... --name ada
  bodkin join - < invite.txt`,
		Args: cobra.MaximumNArgs(1),
	}
	name := c.Flags().String("name", "", "`name` of this machine in the room (default the one it had, else the host name)")
	replace := c.Flags().Bool("replace", false, "leave the room that was joined before")
	asJSON := jsonFlag(c, "a JSON object: {id, name, servers, home}")
	c.RunE = func(c *cobra.Command, args []string) error {
		h, err := openHome(g)
		if err != nil {
			return err
		}
		invite, err := readInvite(c.InOrStdin(), args)
		if err != nil {
			return err
		}
		m := membership{Invite: invite, Name: strings.ToLower(*name)}
		if err := h.join(&m, *replace); err != nil {
			return err
		}
		key, err := h.key()
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(struct {
				ID      bodkin.NodeID `json:"id"`
				Name    string        `json:"name"`
				Servers []string      `json:"servers"`
				Home    string        `json:"home"`
			}{key.NodeID(), m.Name, invite.Servers, h.dir})
		}
		if node, err := running(c.Context(), g, h); node != nil && err == nil {
			fmt.Fprintln(c.ErrOrStderr(), "the node that runs stays as it is until it is started again")
			node.Close()
		}
		style := styleOf(c.OutOrStdout())
		_, err = fmt.Fprintf(c.OutOrStdout(), "joined as %s, by the server %s\nnext: %s\n",
			style.bold(m.Name), printable(strings.Join(invite.Servers, " or ")), style.bold("bodkin up"))
		return err
	}
	return c
}

// readInvite takes the invite from the argument, from stdin if that is "-", or from BODKIN_INVITE.
func readInvite(in io.Reader, args []string) (bodkin.Invite, error) {
	var text string
	switch {
	case len(args) == 1 && args[0] == "-":
		data, err := io.ReadAll(io.LimitReader(in, maxInviteInput))
		if err != nil {
			return bodkin.Invite{}, fmt.Errorf("read the invite from stdin: %w", err)
		}
		text = string(data)
	case len(args) == 1:
		text = args[0]
	default:
		text = os.Getenv("BODKIN_INVITE")
	}
	if strings.TrimSpace(text) == "" {
		return bodkin.Invite{}, misuse("give the line that `bodkin server` printed, or - to read it from stdin", "no invite was given")
	}
	invite, err := bodkin.ParseInvite(text)
	if err != nil {
		f := &failure{code: exitUsage, text: plain(err), err: err, hint: "an invite is one line, bodkin1..., as `bodkin server` prints it"}
		if errors.Is(err, identity.ErrInviteChecksum) {
			f.hint = "copy the whole line again, rather than typing it"
		}
		return bodkin.Invite{}, f
	}
	return invite, nil
}

// joinFirst joins the room of the invite in BODKIN_INVITE, on a machine that has joined none.
func (h home) joinFirst() (membership, error) {
	invite, err := readInvite(nil, nil)
	if err != nil {
		return membership{}, err
	}
	m := membership{Invite: invite}
	err = h.join(&m, false)
	return m, err
}

// join remembers m, whose name it fills in if there is none.
func (h home) join(m *membership, replace bool) error {
	before, err := h.membership()
	known := err == nil
	sameRoom := known && before.Invite.Room.ID() == m.Invite.Room.ID() && before.Invite.Server == m.Invite.Server
	switch {
	case known && !sameRoom && !replace:
		return fail("--replace leaves that room; --home DIR is a second node on this machine",
			"this machine (%s) is in another room already, by the server %s", before.Name, strings.Join(before.Invite.Servers, " or "))
	case known:
		m.Port = before.Port
		m.Name = cmp.Or(m.Name, before.Name)
	case !known && !replace && !errors.Is(err, fs.ErrNotExist):
		return err // damaged; --replace writes a new one
	}
	if m.Name == "" {
		m.Name = bodkin.HostName()
	}
	if err := bodkin.CheckName(m.Name); err != nil {
		return &failure{code: exitUsage, text: plain(err), err: err, hint: "--name NAME, with 1 to 63 of a-z, 0-9 and -"}
	}
	return h.save(*m)
}
