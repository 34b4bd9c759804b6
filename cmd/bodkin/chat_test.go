package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

// A chatter is somebody in a chat: what is typed, and what is shown.
type chatter struct {
	node  *fakeNode
	room  *chatRoom
	typed *io.PipeWriter
	shown *bufio.Reader // messages and notices, until a deadline
	done  chan error
	stop  context.CancelFunc
}

// enter has a node enter the chat.
func enter(t *testing.T, node *fakeNode, only *person) *chatter {
	t.Helper()
	listener, err := node.Listen(t.Context(), chatService)
	if err != nil {
		t.Fatal(err)
	}
	in, typed := io.Pipe()
	shown, out := tcptest.Pair(t) // buffered, so that nobody waits for the test to read
	shown.SetReadDeadline(time.Now().Add(patience))
	c := &chatter{node: node, room: newChatRoom(node), typed: typed, shown: bufio.NewReader(shown), done: make(chan error, 1)}
	screen, err := newScreen(in, out, out, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.room.screen, c.room.only = screen, only
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	running := make(chan struct{})
	go func() {
		c.room.run(ctx, listener)
		close(running)
	}()
	go func() {
		err := talk(ctx, c.room, screen)
		cancel()
		<-running
		out.Close()
		c.done <- err
	}()
	t.Cleanup(func() {
		typed.Close()
		cancel()
		<-running
	})
	return c
}

// sees reads what is shown until a line begins with want.
func (c *chatter) sees(t *testing.T, want string) {
	t.Helper()
	var before []string
	for {
		line, err := c.shown.ReadString('\n')
		if strings.HasPrefix(line, want) {
			return
		}
		if err != nil {
			t.Fatalf("%s: saw %q, then %v; want %q", c.node.name, before, err, want)
		}
		before = append(before, line)
	}
}

func (c *chatter) says(line string) { io.WriteString(c.typed, line+"\n") }

func TestThoseInTheChatHearEachOther(t *testing.T) {
	var room fakeRoom
	ada := enter(t, room.join(t, "ada"), nil)
	ben := enter(t, room.join(t, "ben"), nil)
	eve := enter(t, room.join(t, "eve"), nil)
	for _, c := range []*chatter{ada, ben, eve} {
		for _, other := range []*chatter{ada, ben, eve} {
			if c != other {
				c.room.waitFor(t, other)
			}
		}
	}
	ada.says("hello all")
	ben.sees(t, "ada: hello all")
	eve.sees(t, "ada: hello all")
	ben.says("hi \x1b[31mada")
	ada.sees(t, "ben: hi ␛[31mada")
}

// waitFor waits until what is said reaches other.
func (r *chatRoom) waitFor(t *testing.T, other *chatter) {
	t.Helper()
	for {
		r.mu.Lock()
		v, changed := r.voices[other.node.id], r.changed
		heard := v != nil && v.heard
		r.mu.Unlock()
		if heard {
			return
		}
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatalf("%s was not heard", other.node.name)
		}
	}
}

func TestALineWaitsForTheFirstWhoComes(t *testing.T) {
	var room fakeRoom
	ada := enter(t, room.join(t, "ada"), nil)
	ada.says("is anybody here?")
	ben := enter(t, room.join(t, "ben"), nil)
	ben.sees(t, "ada: is anybody here?")
}

func TestTheEndOfInputLeavesWhenAllHasArrived(t *testing.T) {
	var room fakeRoom
	ben := enter(t, room.join(t, "ben"), nil)
	ada := enter(t, room.join(t, "ada"), nil)
	ben.room.waitFor(t, ada) // or ben would not notice that she was there
	for range 100 {
		ada.says("line")
	}
	ada.says("last")
	ada.typed.Close()
	if err := <-ada.done; err != nil {
		t.Errorf("ada left with %v", err)
	}
	ben.sees(t, "ada: last")
	ben.sees(t, "* ada left")
}

func TestWithOnePeerOthersAreNotHeard(t *testing.T) {
	var room fakeRoom
	ben := room.join(t, "ben")
	ada := enter(t, room.join(t, "ada"), &person{ben.id, "ben"})
	eve := enter(t, room.join(t, "eve"), nil)
	inChat := enter(t, ben, nil)
	ada.room.waitFor(t, inChat)
	eve.room.waitFor(t, inChat)
	inChat.room.waitFor(t, ada)
	inChat.room.waitFor(t, eve)
	eve.says("secret from eve")
	inChat.sees(t, "eve: secret from eve")
	ada.says("for ben")
	inChat.sees(t, "ada: for ben")
	inChat.says("for all")
	ada.sees(t, "ben: for all") // and nothing of eve's before, which would have been a line in between
	eve.sees(t, "ben: for all")
}

func TestWhoComesBackIsHeardAgain(t *testing.T) {
	var room fakeRoom
	ada := enter(t, room.join(t, "ada"), nil)
	node := room.join(t, "ben")
	ben := enter(t, node, nil)
	ada.room.waitFor(t, ben)
	ben.typed.Close()
	if err := <-ben.done; err != nil {
		t.Fatal(err)
	}
	node.events <- bodkin.Event{Kind: bodkin.Joined, Peer: bodkin.Peer{ID: ada.node.id, Name: "ada"}} // a new Watch tells of ada again
	again := enter(t, node, nil)
	ada.room.waitFor(t, again)
	again.says("back")
	ada.sees(t, "ben: back")
}

func TestAProgramsLinesDoNotWaitForEver(t *testing.T) {
	var room fakeRoom
	node := room.join(t, "ada")
	r := newChatRoom(node)
	r.screen, _ = newScreen(strings.NewReader(""), io.Discard, io.Discard, false, nil)
	if err := r.say(t.Context(), "hello?", 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("say to nobody: %v", err)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	in := bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", 3*maxChatLine)+"\nnext\n"), maxChatLine)
	line, err := readChatLine(in)
	if err != nil || len(line) > maxChatLine+10 || !strings.HasSuffix(line, "[cut]") {
		t.Errorf("%d bytes, %v", len(line), err)
	}
	if line, err := readChatLine(in); err != nil || line != "next" {
		t.Errorf("the line after: %q, %v", line, err)
	}
}
