package session

import (
	"context"
	"fmt"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Open opens a stream to a service of the peer, a name of 1 to 128 printable bytes. It does not wait for the peer's
// answer: the stream can be written to at once, and a refusal comes from its Read or a later Write. Open waits only
// while 256 streams are on their way to the peer; ctx stops that. The caller must close the stream; ctx has no effect on it
// afterwards.
func (s *Session) Open(ctx context.Context, service string) (*Stream, error) {
	header, err := wire.Append(nil, &wire.StreamOpen{Service: service})
	if err != nil {
		return nil, fmt.Errorf("session: open stream: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.awaitOpening(ctx); err != nil {
		return nil, err
	}
	stream := s.newStream(s.nextOut, service, false)
	stream.header = header
	s.nextOut += 2
	s.opening[stream.id] = struct{}{}
	s.add(stream)
	stream.owe(dueOpen | dueCredit)
	return stream, nil
}

// awaitOpening waits until one stream more may be on its way to the peer. The caller holds mu.
func (s *Session) awaitOpening(ctx context.Context) error {
	if len(s.opening) >= maxOpening {
		stop := context.AfterFunc(ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.opened.Broadcast()
		})
		defer stop()
	}
	for {
		if err := s.ending(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(s.opening) < maxOpening {
			return nil
		}
		s.opened.Wait()
	}
}
