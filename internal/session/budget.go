package session

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-yamux/v5"
)

// A budget bounds by how much the receive windows of one session may grow, all streams together.
type budget struct{ left atomic.Int64 }

func newBudget(bytes int) *budget {
	b := new(budget)
	b.left.Store(int64(bytes))
	return b
}

// A share is what one stream has taken of a budget. The multiplexer calls Done when the stream is over, and may still try
// to let its window grow while what has come is read.
type share struct {
	budget *budget

	mu    sync.Mutex // guards what follows
	taken int
	over  bool
}

// share returns a share for a new stream.
func (b *budget) share() (yamux.MemoryManager, error) { return &share{budget: b}, nil }

var errBudget = errors.New("session: windows grow no further")

// firstWindow is the priority at which the multiplexer asks for a new stream's first window. That can't be denied without
// ending the session; Config.MaxStreams bounds it.
const firstWindow = 255

func (s *share) ReserveMemory(size int, priority uint8) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case priority == firstWindow:
		return nil
	case s.over:
		return errBudget
	case s.budget.left.Add(-int64(size)) < 0:
		s.budget.left.Add(int64(size))
		return errBudget
	}
	s.taken += size
	return nil
}

func (s *share) ReleaseMemory(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= size
	s.budget.left.Add(int64(size))
}

func (s *share) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.budget.left.Add(int64(s.taken))
	s.taken = 0
}
