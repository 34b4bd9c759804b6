package bodkin_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/server"
)

// Two nodes of one room: ben listens on a service, ada dials it by his name. Here everything runs on one machine;
// elsewhere the invite is what travels.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	invite := exampleServer(ctx)

	ben, err := bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ben"})
	if err != nil {
		log.Fatal(err)
	}
	defer ben.Close()
	listener, err := ben.Listen("greeting")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		conn, err := listener.AcceptConn()
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "hello, %s", conn.PeerName())
		conn.Close()
	}()

	ada, err := bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	defer ada.Close()
	conn, err := ada.Dial(ctx, "ben", "greeting")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s (%s)\n", text, conn.Path().Kind)
	// Output: hello, ada (direct)
}

// exampleServer runs a server on loopback until ctx ends, and returns an invite to its room.
func exampleServer(ctx context.Context) bodkin.Invite {
	home, err := os.MkdirTemp("", "bodkin-example-")
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.Open(server.Config{Home: home, Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}, NoRelay: true})
	if err != nil {
		log.Fatal(err)
	}
	invite, err := s.Invite(server.DefaultRoom)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer os.RemoveAll(home)
		s.Serve(ctx)
	}()
	return invite
}
