package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/server"
)

// TestThreePeopleHearEachOther runs three chats in one room.
//
// Seen to fail: with lines that go to the first peer only.
func TestThreePeopleHearEachOther(t *testing.T) {
	invite := room(t)
	type person struct {
		keyboard *io.PipeWriter
		heard    chan string
	}
	people := map[string]person{}
	names := []string{"ada", "ben", "cleo"}
	var chats sync.WaitGroup
	defer chats.Wait()
	for _, name := range names {
		node, err := bodkin.Join(t.Context(), bodkin.Config{Invite: invite, Name: name, NoPortMapping: true, NoLAN: true})
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		in, keyboard := io.Pipe()
		defer keyboard.Close()
		heard := make(chan string, 1000)
		people[name] = person{keyboard, heard}
		chats.Go(func() {
			if err := chat(context.Background(), node, in, lines(heard)); err != nil {
				t.Error(err)
			}
		})
	}
	// A line that comes before a peer listens is lost, so everybody is given time to be there: a first line that arrives.
	for _, from := range names {
		for _, to := range names {
			for said := 0; from != to; said++ {
				fmt.Fprintf(people[from].keyboard, "is %s there?\n", to)
				if hears(people[to].heard, fmt.Sprintf("%s: %q\n", from, "is "+to+" there?"), 250*time.Millisecond) {
					break
				}
				if said == 100 {
					t.Fatalf("%s never hears %s", to, from)
				}
			}
		}
	}
	for _, from := range names {
		fmt.Fprintf(people[from].keyboard, "hello from %s\n", from)
		for _, to := range names {
			if to != from && !hears(people[to].heard, fmt.Sprintf("%s: %q\n", from, "hello from "+from), 20*time.Second) {
				t.Errorf("%s does not hear %s", to, from)
			}
		}
	}
}

// hears waits for a line, and passes over others.
func hears(heard <-chan string, want string, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		select {
		case line := <-heard:
			if line == want {
				return true
			}
		case <-timer.C:
			return false
		}
	}
}

// lines is a writer of lines into a channel.
type lines chan<- string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// room runs a server on loopback until the test ends.
func room(t *testing.T) bodkin.Invite {
	s, err := server.Open(server.Config{Home: t.TempDir(), Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	invite, err := s.Invite(server.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-served
	})
	return invite
}
