package main

import (
	"context"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// paths remembers when a node told that its session goes another way.
type paths struct {
	mu      sync.Mutex
	changes []time.Time
	stop    context.CancelFunc
	work    sync.WaitGroup
}

// watch hears both nodes until close.
func (p *paths) watch(nodes ...*bodkin.Node) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	for _, n := range nodes {
		p.work.Go(func() {
			for event := range n.Watch(ctx) {
				if event.Kind == bodkin.Moved {
					p.note(time.Now())
				}
			}
		})
	}
}

func (p *paths) note(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = append(p.changes, at)
}

// since returns when the first change came that was not before a time; the zero time if none did.
func (p *paths) since(begin time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.changes {
		if !at.Before(begin) {
			return at
		}
	}
	return time.Time{}
}

func (p *paths) close() {
	if p.stop != nil {
		p.stop()
	}
	p.work.Wait()
}
