// Chat passes each line that is typed to everybody in the room. On each machine:
//
//	BODKIN_INVITE=bodkin1... go run ./examples/chat NAME
//
// What it needs of the library is in chat, of some 30 lines.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/bodkin-p2p/bodkin"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: BODKIN_INVITE=bodkin1... chat NAME")
	}
	invite, err := bodkin.ParseInvite(os.Getenv("BODKIN_INVITE"))
	if err != nil {
		log.Fatal("BODKIN_INVITE: ", err)
	}
	node, err := bodkin.Join(context.Background(), bodkin.Config{Invite: invite, Name: os.Args[1]})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	if err := chat(context.Background(), node, os.Stdin, os.Stdout); err != nil {
		log.Print(err)
	}
}

// chat prints what the others say, and tells them what comes from in, until that ends.
func chat(ctx context.Context, node *bodkin.Node, in io.Reader, out io.Writer) error {
	listener, err := node.Listen("lines")
	if err != nil {
		return err
	}
	go func() {
		for conn, err := listener.AcceptConn(); err == nil; conn, err = listener.AcceptConn() {
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					fmt.Fprintf(out, "%s: %q\n", conn.PeerName(), lines.Text()) // quoted: it may hold what moves a cursor
				}
			}()
		}
	}()
	streams := map[bodkin.NodeID]*bodkin.Conn{} // one to each, so that its lines stay in order
	for lines := bufio.NewScanner(in); lines.Scan(); {
		peers, _ := node.Peers(ctx)
		for _, peer := range peers {
			if streams[peer.ID] == nil {
				if streams[peer.ID], err = node.Dial(ctx, peer.ID.String(), "lines"); err != nil {
					continue
				}
			}
			if _, err := fmt.Fprintln(streams[peer.ID], lines.Text()); err != nil {
				streams[peer.ID].Close()
				delete(streams, peer.ID) // the next line dials again
			}
		}
	}
	return listener.Close()
}
