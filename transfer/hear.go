package transfer

import (
	"errors"
	"fmt"
	"time"
)

// hear takes what the receiver says until its last word.
func (s *sending) hear() {
	err := s.hearAll(newFrameReader(s.conn))
	s.mu.Lock()
	if err == nil {
		s.done = true
	} else if s.failure == nil {
		s.failure = err
	}
	s.ended = true
	s.mu.Unlock()
	close(s.over)
	s.wake()
	if err != nil {
		s.conn.SetWriteDeadline(time.Now()) // nobody takes what is being written
	}
}

func (s *sending) hearAll(in *frameReader) error {
	for {
		kind, length, err := in.next()
		if err != nil {
			return err
		}
		if kind == frameData {
			return fmt.Errorf("%w: content from the receiver", ErrProtocol)
		}
		data, err := in.rest(length)
		if err != nil {
			return err
		}
		switch kind {
		case frameHave:
			err = s.heardHave(data)
		case frameProof:
			err = s.heardProof(data)
		case frameGo:
			s.mu.Lock()
			s.going = true
			s.mu.Unlock()
		case frameDone:
			return nil
		case frameFailed:
			return parseFailure(data)
		default:
			err = fmt.Errorf("%w: a frame of kind %d from the receiver", ErrProtocol, kind)
		}
		if err != nil {
			return err
		}
		s.wake()
	}
}

func (s *sending) heardHave(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for b := (body{left: data}); len(b.left) > 0; {
		h := parseHave(&b)
		if b.bad || s.going || h.index >= len(s.source.tree.entries) || h.size > s.source.tree.entries[h.index].size {
			return fmt.Errorf("%w: the receiver has what was never sent", ErrProtocol)
		}
		if s.haves == nil {
			s.haves = map[int]int64{}
		}
		s.haves[h.index] = h.size
	}
	return nil
}

func (s *sending) heardProof(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for b := (body{left: data}); len(b.left) > 0; {
		index, hash := parseProof(&b)
		if _, asked := s.haves[index]; b.bad || !asked {
			return fmt.Errorf("%w: a proof of nothing", ErrProtocol)
		}
		s.proofs[index] = hash
	}
	return nil
}

// await waits until ready, which is called with mu held, says so.
func (s *sending) await(ready func() bool) error {
	for {
		s.mu.Lock()
		is, done, failure, ended := ready(), s.done, s.failure, s.ended
		s.mu.Unlock()
		switch {
		case done:
			return errAllThere
		case failure != nil:
			return failure
		case is:
			return nil
		case ended:
			return fmt.Errorf("%w: the receiver was done before the sender", ErrProtocol)
		}
		select {
		case <-s.changed:
		case <-s.over:
		}
	}
}

// errAllThere tells that the receiver had everything from an earlier run.
var errAllThere = errors.New("everything is there already")
