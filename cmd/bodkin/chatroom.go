package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

const (
	chatService = "chat"

	// chatGreeting is what the one who accepts a stream says first, so that the one who dialled knows to be heard.
	chatGreeting = "bodkin chat\n"
	greetTimeout = 10 * time.Second

	maxChatLine  = 16 << 10        // of which more is not shown
	voiceQueue   = 256             // lines that may wait for a slow reader before it is left out
	settleTime   = 2 * time.Second // how long the first line waits for the slower ones of the room
	farewellTime = 5 * time.Second // for the last lines to arrive
)

// A person is a node in the chat.
type person struct {
	id   bodkin.NodeID
	name string
}

// A chatRoom has two streams with everybody in it: each side dials one for its own lines, and prints those of the one it
// accepted. So whoever comes only has to dial, and is dialled back.
type chatRoom struct {
	node   control.Node
	screen *screen
	only   *person // nil: everybody of the room
	tasks  sync.WaitGroup

	mu      sync.Mutex // guards the following
	voices  map[bodkin.NodeID]*voice
	hearing map[bodkin.NodeID]int // streams of theirs
	changed chan struct{}         // closed and replaced when voices change
	first   time.Time             // when the first voice was there
	leaving bool
}

func newChatRoom(node control.Node) *chatRoom {
	return &chatRoom{
		node:    node,
		voices:  map[bodkin.NodeID]*voice{},
		hearing: map[bodkin.NodeID]int{},
		changed: make(chan struct{}),
	}
}

// run takes in everybody who comes, until ctx ends, and waits for all streams.
func (r *chatRoom) run(ctx context.Context, l control.Listener) error {
	defer r.tasks.Wait()
	defer l.Close()
	r.tasks.Go(func() { r.accept(ctx, l) })
	if r.only != nil {
		r.call(ctx, *r.only)
		<-ctx.Done()
		return nil
	}
	for event, err := range r.node.Watch(ctx) {
		if err != nil {
			if ctx.Err() == nil {
				r.screen.notice("newcomers will not be seen any more: %s", plain(err))
				<-ctx.Done()
			}
			return nil
		}
		switch event.Kind {
		case bodkin.Joined, bodkin.Linked:
			r.call(ctx, person{event.Peer.ID, event.Peer.Name})
		case bodkin.ServerLost:
			r.screen.notice("the server is gone; those who are here still read this")
		case bodkin.ServerBack:
			r.screen.notice("the server is back")
		}
	}
	return nil
}

// accept prints the lines of whoever dials, and dials back.
func (r *chatRoom) accept(ctx context.Context, l control.Listener) {
	stop := accepting(ctx, l)
	defer stop()
	for {
		stream, err := l.Accept()
		if err != nil {
			return
		}
		who := person{stream.Peer(), stream.PeerName()}
		if r.only != nil && who.id != r.only.id {
			stream.Close()
			continue
		}
		r.hears(who, 1)
		r.tasks.Go(func() { r.hear(ctx, who, stream) })
		r.call(ctx, who)
	}
}

// call begins a voice to who, unless there is one.
func (r *chatRoom) call(ctx context.Context, who person) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaving || ctx.Err() != nil {
		return
	}
	if v := r.voices[who.id]; v != nil {
		v.again = true
		return
	}
	v := &voice{person: who, queue: make(chan string, voiceQueue), closed: make(chan struct{})}
	r.voices[who.id] = v
	r.tasks.Go(func() {
		err := r.speak(ctx, v)
		r.drop(ctx, v, err)
	})
}

// heard notes that the other side of v reads.
func (r *chatRoom) heard(v *voice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.heard = true
	if r.first.IsZero() {
		r.first = time.Now()
	}
	r.changedLocked()
}

// drop ends a voice. It begins another if the person turns out to be there: has dialled while this side was dialling in
// vain, or still speaks, as after a quick restart.
func (r *chatRoom) drop(ctx context.Context, v *voice, err error) {
	r.mu.Lock()
	close(v.closed)
	delete(r.voices, v.id)
	again := v.again && !v.heard || v.heard && r.hearing[v.id] > 0
	r.changedLocked()
	quiet := r.leaving || ctx.Err() != nil
	r.mu.Unlock()
	if quiet {
		return
	}
	if again {
		r.call(ctx, v.person)
	}
	switch {
	case v.heard:
		r.screen.notice("%s left", printable(v.name))
	case again:
	case errors.Is(err, bodkin.ErrServiceUnknown) && r.only != nil:
		r.screen.notice("%s is not in the chat yet", printable(v.name))
	case errors.Is(err, bodkin.ErrServiceUnknown), errors.Is(err, bodkin.ErrPeerUnavailable):
	case err != nil:
		r.screen.notice("%s cannot be reached: %s", printable(v.name), plain(err))
	}
}

func (r *chatRoom) changedLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// say queues a line for everybody who is there. If nobody is, the line waits: for patience, or, if that is zero, for as
// long as it takes.
func (r *chatRoom) say(ctx context.Context, line string, patience time.Duration) error {
	line = strings.TrimRight(line, "\r")
	deadline := timerOf(patience)
	defer deadline.Stop()
	told := timerOf(time.Second)
	defer told.Stop()
	for {
		listeners, wait, changed := r.listeners()
		if len(listeners) > 0 && wait <= 0 {
			for _, v := range listeners {
				r.tell(v, line)
			}
			return nil
		}
		settled := timerOf(wait)
		select {
		case <-changed:
		case <-settled.C:
		case <-told.C:
			r.screen.notice("nobody is in the chat yet; your line waits, and Ctrl-C leaves")
		case <-deadline.C:
			return r.alone()
		case <-ctx.Done():
			settled.Stop()
			return context.Cause(ctx)
		}
		settled.Stop()
	}
}

// listeners returns who reads what this side says now, for how long to wait for those who are still being dialled, and
// what is closed when that changes.
func (r *chatRoom) listeners() (ready []*voice, wait time.Duration, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.voices {
		if v.heard {
			ready = append(ready, v)
		}
	}
	if len(ready) < len(r.voices) && !r.first.IsZero() {
		wait = time.Until(r.first.Add(settleTime))
	}
	return ready, wait, r.changed
}

// tell queues a line for one person, who is left out if too many wait.
func (r *chatRoom) tell(v *voice, line string) {
	select {
	case v.queue <- line:
	case <-v.closed:
	default:
		r.screen.notice("%s does not keep up and misses a line", printable(v.name))
	}
}

// alone is the failure of having said something to nobody.
func (r *chatRoom) alone() error {
	hint := "on another machine: `bodkin chat`"
	if r.only != nil {
		return fail(hint, "%s is not in the chat, so nothing was sent", printable(r.only.name))
	}
	return fail(hint, "nobody else is in the chat, so nothing was sent")
}

// leave waits until everybody has read what was said, though not for long.
func (r *chatRoom) leave(ctx context.Context) error {
	r.mu.Lock()
	r.leaving = true
	var listeners []*voice
	for _, v := range r.voices {
		close(v.queue)
		if v.heard {
			listeners = append(listeners, v)
		}
	}
	r.mu.Unlock()
	patience := time.NewTimer(farewellTime)
	defer patience.Stop()
	for _, v := range listeners {
		select {
		case <-v.closed:
		case <-patience.C:
			return fmt.Errorf("%s may not have read the last lines", printable(v.name))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
