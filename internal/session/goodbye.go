package session

import (
	"context"
	"errors"
)

// goodbye is an empty message in the place of a stream's header. The multiplexer keeps the order of what one side
// sends over all streams, and so the goodbye arrives behind everything that was written before. (The multiplexer's own
// "go away" would arrive so, too, but it ends the peer's session before streams that have just come can be accepted.)
var goodbye = [1]byte{0}

var errGoodbye = errors.New("session: goodbye")

// sayGoodbye waits until the peer has closed the carrier in answer, or for Config.Linger.
func (s *Session) sayGoodbye() {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Linger) // Close has no context of its caller
	defer cancel()
	mux, err := s.mux.OpenStream(ctx)
	if err == nil {
		err = writeHeader(ctx, mux, goodbye[:])
	}
	if err != nil {
		return
	}
	select {
	case <-s.done:
	case <-ctx.Done():
	}
}

// leave answers the peer's goodbye. Headers that have not come by now never will.
func (s *Session) leave() {
	s.mu.Lock()
	s.leaving = true
	for stream := range s.greetings {
		stream.mux.SetReadDeadline(longAgo)
	}
	s.mu.Unlock()
	s.greeted.Wait()
	s.mux.Close()
}
