package bodkin_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/server"
)

// One node listens, another dials it by its name. Here both are in one process; otherwise each has a machine, and reads the
// invite that the server printed.
func Example() {
	ctx, cancel := exampleContext()
	defer cancel()
	invite, stop := exampleRoom()
	defer stop()

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
		for {
			conn, err := listener.AcceptConn()
			if err != nil {
				return // the node was closed
			}
			fmt.Fprintf(conn, "hello %s, this is ben", conn.PeerName())
			conn.Close()
		}
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
	conn.SetDeadline(time.Now().Add(exampleTime))
	greeting, err := io.ReadAll(conn)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(greeting))
	fmt.Println("the path is", conn.Path().Kind)
	// Output:
	// hello ada, this is ben
	// the path is direct
}

// exampleRoom runs a server on loopback for an example, and returns an invite to its room. A real one is a machine with a
// public address that runs "bodkin server".
func exampleRoom() (invite bodkin.Invite, stop func()) {
	home, err := os.MkdirTemp("", "bodkin-example-")
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.Open(server.Config{Home: home, Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}, NoRelay: true})
	if err != nil {
		log.Fatal(err)
	}
	if invite, err = s.Invite(server.DefaultRoom); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	return invite, func() {
		cancel()
		<-served
		os.RemoveAll(home)
	}
}

// exampleTime is how long an example may take, which all take a moment.
const exampleTime = time.Minute

// exampleContext ends when an example has failed, so that it does not hang.
func exampleContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), exampleTime)
}

// exampleNodes joins two nodes, ada and ben, to a room of their own.
func exampleNodes() (ada, ben *bodkin.Node, stop func()) {
	invite, stopServer := exampleRoom()
	ctx, cancel := exampleContext()
	defer cancel()
	ada, err := bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	ben, err = bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ben"})
	if err != nil {
		log.Fatal(err)
	}
	return ada, ben, func() {
		ada.Close()
		ben.Close()
		stopServer()
	}
}
