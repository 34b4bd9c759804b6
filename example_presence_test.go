package bodkin_test

import (
	"fmt"
	"log"

	"github.com/bodkin-p2p/bodkin"
)

// Watch tells who is in the room, and then who comes and goes. Joined and Left are the server's word, Linked and Unlinked this
// node's own: a session lives on when the server goes.
func ExampleNode_Watch() {
	ctx, cancel := exampleContext()
	defer cancel()
	invite, stop := exampleRoom()
	defer stop()
	ada, err := bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	defer ada.Close()

	var ben *bodkin.Node
	for event, err := range ada.Watch(ctx) {
		if err != nil {
			log.Fatal(err) // ctx ended, or the node was closed
		}
		switch event.Kind {
		case bodkin.Current:
			fmt.Println("all who were here are known")
			if ben, err = bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ben"}); err != nil {
				log.Fatal(err)
			}
		case bodkin.Joined:
			fmt.Println(event.Peer.Name, "came")
			ben.Close()
		case bodkin.Left:
			fmt.Println(event.Peer.Name, "went")
			return
		}
	}
	// Output:
	// all who were here are known
	// ben came
	// ben went
}

// Peers is who is there now, and how this node is connected with each.
func ExampleNode_Peers() {
	ctx, cancel := exampleContext()
	defer cancel()
	ada, _, stop := exampleNodes()
	defer stop()

	if _, err := ada.Ping(ctx, "ben"); err != nil { // makes a session
		log.Fatal(err)
	}
	peers, err := ada.Peers(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, peer := range peers {
		path := "no session"
		if peer.Path != nil {
			path = peer.Path.Kind.String()
		}
		fmt.Println(peer.Name, "online:", peer.Online, "path:", path)
	}
	// Output:
	// ben online: true path: direct
}
