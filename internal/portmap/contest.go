package portmap

import (
	"context"
	"errors"
	"time"
)

// headStart is what a better protocol has once a worse one is ready to map: both are mostly the same daemon, on the same link.
const headStart = 100 * time.Millisecond

// A result is what a client came to.
type result struct {
	client  client
	asked   bool // it was asked to map: if it gave no answer it may have done so
	mapping Mapping
	err     error
}

// contest has all clients find out at once whether the gateway speaks their protocols. The first of them maps as soon as those
// before it are out, or have had their head start. It returns the results of all, in the order in which they ended:
// more than one may have a mapping, of which the first counts.
func contest(ctx context.Context, clients []client, lifetime time.Duration) []result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(clients))
	out := make([]chan struct{}, len(clients)) // closed when that client has failed
	for i := range clients {
		out[i] = make(chan struct{})
	}
	for i, c := range clients {
		go func() { // received from below, in every case
			r := result{client: c}
			if r.err = c.find(ctx); r.err == nil {
				if r.err = turn(ctx, out[:i]); r.err == nil {
					r.asked = true
					r.mapping, r.err = c.mapPort(ctx, lifetime)
				}
			}
			if r.err != nil {
				close(out[i])
			}
			results <- r
		}()
	}
	var ended []result
	for range clients {
		r := <-results
		if ended = append(ended, r); r.err == nil {
			cancel()
		}
	}
	return ended
}

// turn waits until all before are out, or the head start is over.
func turn(ctx context.Context, before []chan struct{}) error {
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	for _, out := range before {
		select {
		case <-out:
		case <-timer.C:
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// why returns what most deserves to be known of why nobody has a mapping: a refusal, or else that there was no answer.
func why(results []result) error {
	for _, r := range results {
		if refused := (*RefusedError)(nil); errors.As(r.err, &refused) {
			return refused
		}
	}
	for _, r := range results {
		if !errors.Is(r.err, errSilent) && !errors.Is(r.err, ErrNotOffered) {
			return r.err
		}
	}
	return ErrNotOffered
}
