package main

import (
	"io"
	"slices"
	"sync"
	"time"
)

// smallSize is the length of a small message.
const smallSize = 64

// trips are round trips of small messages over a stream, one after the other.
type trips struct {
	mu  sync.Mutex
	all []trip
}

type trip struct {
	began time.Time
	took  time.Duration
}

// newTrips begins to send messages on a stream, or to send back what comes, until it fails.
func newTrips(s io.ReadWriter, sends bool) *trips {
	t := new(trips)
	if sends {
		go t.send(s)
	} else {
		go io.Copy(s, s)
	}
	return t
}

func (t *trips) send(s io.ReadWriter) {
	for message := make([]byte, smallSize); ; {
		began := time.Now()
		if _, err := s.Write(message); err != nil {
			return
		}
		if _, err := io.ReadFull(s, message); err != nil {
			return
		}
		t.mu.Lock()
		t.all = append(t.all, trip{began, time.Since(began)})
		t.mu.Unlock()
	}
}

// median is that of the trips that began after a time; zero without any. A nil trips has none.
func (t *trips) median(after time.Time) time.Duration {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var took []time.Duration
	for _, x := range t.all {
		if x.began.After(after) {
			took = append(took, x.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/2]
}
