package session

import "io"

// copyLocked is the most that is copied without letting go of the mutex, which costs as much.
const copyLocked = 4 << 10

// Read reads what the peer wrote. On a stream that was opened here it returns a [*RefusedError] if the peer did not
// take it. After the peer's CloseWrite or Close it returns io.EOF behind the last byte, also if the session has ended
// since; after an abort ErrReset.
func (s *Stream) Read(p []byte) (n int, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	if err := s.await(len(p) == 0); err != nil {
		return 0, err
	}
	for n < len(p) {
		ready := s.queue.ready()
		if len(ready) == 0 {
			break
		}
		took := min(len(ready), len(p)-n)
		s.take(took, took <= copyLocked, func(b []byte) { copy(p[n:], b) })
		n += took
		if s.dropped() {
			break
		}
	}
	return n, nil
}

// WriteTo writes to w what the peer wrote, until its end, without a copy between. It serves [io.Copy].
func (s *Stream) WriteTo(w io.Writer) (n int64, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.session.mu.Lock()
	defer s.session.mu.Unlock()
	for {
		if err := s.await(false); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		var wrote int
		s.take(len(s.queue.ready()), false, func(b []byte) { wrote, err = w.Write(b) })
		n += int64(wrote)
		if err != nil {
			return n, err
		}
	}
}

// await waits until there is something to read, or not even that if nothing is wanted. The caller holds mu.
func (s *Stream) await(nothing bool) error {
	for {
		switch {
		case s.closed:
			return errClosed
		case s.fate != nil && s.dropUnread:
			return s.fate
		case s.readBy.Passed():
			return errTimeout
		case nothing, s.queue.bytes > 0:
			return nil
		case s.cameEnd:
			return io.EOF
		case s.fate != nil:
			return s.fate
		case s.session.cause != nil:
			return s.session.cause
		}
		s.readable.Wait()
	}
}

// take has use look at the next n bytes, and takes them away. The caller holds mu, and lets go of it meanwhile unless locked.
func (s *Stream) take(n int, locked bool, use func([]byte)) {
	session := s.session
	ready := s.queue.ready()[:n]
	if locked {
		use(ready)
	} else {
		s.taking = true
		session.mu.Unlock()
		use(ready)
		session.mu.Lock()
		s.taking = false
	}
	s.queue.consume(&session.store, n)
	s.bytesIn += uint64(n)
	session.bytesIn += uint64(n)
	if s.dropped() {
		s.queue.clear(&session.store)
	} else if s.window.read(n) && !s.cameEnd && s.fate == nil {
		if s.window.ample() { // then more comes, and with that it is time enough
			s.oweLater(dueCredit)
		} else {
			s.owe(dueCredit)
		}
	}
}

// dropped tells whether what was not read is lost. The caller holds mu.
func (s *Stream) dropped() bool { return s.closed || s.dropUnread }
