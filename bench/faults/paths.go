package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// lateMessage is what a node logs when an answer is late, at once, and goes to look for another path.
const lateMessage = "session's path is late"

// paths remembers when a node told that its session's path is late, or that it goes another way.
type paths struct {
	mu      sync.Mutex
	changes []time.Time
	late    []time.Time
	there   []time.Time // when one had a path that it had not
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
					p.note(time.Now(), event.Peer.Path != nil && event.Peer.Path.Kind != 0)
				}
			}
		})
	}
}

// A listener is a slog.Handler that passes on what a node logs, and notes when its path is late.
type listener struct {
	slog.Handler
	paths *paths
}

func (l listener) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || l.Handler.Enabled(ctx, level)
}

func (l listener) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == lateMessage {
		l.paths.noteLate(r.Time)
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (l listener) WithAttrs(attrs []slog.Attr) slog.Handler {
	return listener{l.Handler.WithAttrs(attrs), l.paths}
}

func (l listener) WithGroup(name string) slog.Handler {
	return listener{l.Handler.WithGroup(name), l.paths}
}

func (p *paths) note(at time.Time, hasPath bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = append(p.changes, at)
	if hasPath {
		p.there = append(p.there, at)
	}
}

func (p *paths) noteLate(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, at)
}

// since returns when the first change came that was not before a time; the zero time if none did.
func (p *paths) since(begin time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return firstOf(p.changes, begin)
}

// detected returns when a path was late or changed first, not before a time; the zero time if none did.
func (p *paths) detected(begin time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed, late := firstOf(p.changes, begin), firstOf(p.late, begin)
	if changed.IsZero() || !late.IsZero() && late.Before(changed) {
		return late
	}
	return changed
}

// found returns when a node had another path first, after a time at which it was missed; the zero time if none had.
func (p *paths) found(missed time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return firstOf(p.there, missed)
}

// firstOf is the first of some times that is not before begin; the zero time if none is.
func firstOf(times []time.Time, begin time.Time) time.Time {
	for _, at := range times {
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
