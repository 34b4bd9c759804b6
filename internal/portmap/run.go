package portmap

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// Run keeps the port mapped until ctx ends. It then removes the mapping, which takes at most two seconds, and returns ctx's error.
func Run(ctx context.Context, c Config) error {
	k := &keeper{config: c.withDefaults(), gatewayOf: Gateway, newClient: newClient}
	return k.run(ctx)
}

// A keeper is the state of Run. All of it belongs to Run's goroutine.
type keeper struct {
	config    Config
	gatewayOf func(within netspace.Space) (netip.Addr, error)
	newClient func(Protocol, link, uint16) client

	state   State
	clients []client // for the gateway
	holder  client   // who has the mapping; nil: nobody
	strays  []client // who were asked to map, and called off when another had
	lease   lease
	asked   time.Time // when all were asked last
	lost    time.Time // when the gateway lost a mapping; zero: never

	woken       bool // the network may be another
	interrupted bool // the end came while all were asked
}

func (k *keeper) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			k.remove(ctx)
			return ctx.Err()
		case <-k.config.Wake:
			k.woken = true
		case <-timer.C:
		}
		k.look(ctx)
		k.woken = false
		timer.Reset(k.pause(time.Now()))
	}
}

// pause is how long it is until the next look.
func (k *keeper) pause(now time.Time) time.Duration {
	if k.holder == nil {
		return k.config.Interval
	}
	return min(k.config.Interval, max(k.lease.renewal().Sub(now), time.Second))
}

// look does what is due.
func (k *keeper) look(ctx context.Context) {
	gateway, err := k.gatewayOf(k.config.Within)
	if gateway != k.state.Gateway || err != nil {
		k.move(gateway, err)
	}
	now := time.Now()
	switch {
	case err != nil:
	case k.woken: // the same address may be another box
		was := k.holder
		k.holder = nil
		k.ask(ctx)
		if was != nil && k.holder != was {
			k.strays = append(k.strays, was)
		}
	case k.holder == nil:
		// A gateway that lost its mapping may be starting: its daemon will be back before long.
		if isStarting := now.Sub(k.lost) < retryInterval; k.asked.IsZero() || isStarting || now.Sub(k.asked) >= retryInterval {
			k.ask(ctx)
		}
	case !now.Before(k.lease.renewal()):
		k.renew(ctx)
	default:
		if err := k.holder.check(ctx); errors.Is(err, errLost) {
			k.config.Log.Info("gateway lost the port mapping", "gateway", gateway)
			k.lost = now
			k.lease = newLease(now, 0) // there is nothing to wait for
			k.renew(ctx)
		}
	}
}

// move starts anew with another gateway. The mapping at the old one is left to its end: it is not to be reached any more.
func (k *keeper) move(gateway netip.Addr, err error) {
	if err == nil && k.state.Gateway.IsValid() {
		k.config.Log.Info("another gateway", "was", k.state.Gateway, "is", gateway)
	}
	k.holder, k.clients, k.asked, k.lost = nil, nil, time.Time{}, time.Time{}
	for _, p := range k.config.Protocols {
		if err == nil {
			k.clients = append(k.clients, k.newClient(p, link{gateway, k.config.Within}, k.config.Port))
		}
	}
	k.tell(State{Gateway: gateway, Err: err})
}

// ask asks by all protocols at once.
func (k *keeper) ask(ctx context.Context) {
	k.asked = time.Now()
	results := contest(ctx, k.clients, k.config.Lifetime)
	if ctx.Err() != nil {
		k.interrupted = true
		k.adopt(results)
		return
	}
	k.strays = nil
	for _, r := range results {
		if r.asked && errors.Is(r.err, context.Canceled) {
			k.strays = append(k.strays, r.client)
		}
	}
	if !k.adopt(results) {
		err := why(results)
		k.config.Log.Info("no port mapping", "gateway", k.state.Gateway, "err", err)
		k.tell(State{Gateway: k.state.Gateway, Err: err})
		return
	}
	for _, r := range results {
		if r.err == nil && r.client != k.holder && r.mapping.External.Port() != k.state.Mapping.External.Port() {
			k.unmap(ctx, r.client)
		}
	}
}

// adopt takes the first mapping there is.
func (k *keeper) adopt(results []result) bool {
	i := slices.IndexFunc(results, func(r result) bool { return r.err == nil })
	if i < 0 {
		return false
	}
	k.hold(results[i].client, results[i].mapping)
	return true
}

func (k *keeper) hold(c client, m Mapping) {
	k.holder, k.lease = c, newLease(time.Now(), m.Lifetime)
	if k.state.Mapping == nil || *k.state.Mapping != m {
		k.config.Log.Info("port mapped", "protocol", m.Protocol, "gateway", k.state.Gateway, "external", m.External, "lifetime", m.Lifetime)
		k.tell(State{Gateway: k.state.Gateway, Mapping: &m})
	}
}

// renew asks for the mapping again. Where that fails others are asked, once the mapping is over.
func (k *keeper) renew(ctx context.Context) {
	m, err := k.holder.mapPort(ctx, k.config.Lifetime)
	refused := (*RefusedError)(nil)
	switch {
	case err == nil:
		k.hold(k.holder, m)
	case ctx.Err() != nil:
	case errors.As(err, &refused), k.lease.over(time.Now()), k.lease.lifetime == 0:
		k.config.Log.Info("port mapping not renewed", "gateway", k.state.Gateway, "err", err)
		k.holder = nil
		k.ask(ctx)
	default:
		k.lease.failures++
		k.config.Log.Debug("gateway does not renew the port mapping, trying on", "err", err)
	}
}

// remove takes back at the end what was mapped, or may have been: a request may be on its way whose answer nobody waits for.
func (k *keeper) remove(ctx context.Context) {
	timeout, from := removeTimeout, append(slices.Clone(k.strays), k.holder)
	if k.holder == nil {
		if !k.interrupted {
			return
		}
		timeout, from = strayTimeout, k.clients
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	var removing sync.WaitGroup
	for _, c := range from {
		removing.Go(func() { k.unmap(ctx, c) })
	}
	removing.Wait()
}

func (k *keeper) unmap(ctx context.Context, c client) {
	if err := c.unmap(ctx); err != nil {
		k.config.Log.Debug("port mapping not removed", "protocol", c.protocol(), "err", err)
	}
}

func (k *keeper) tell(s State) {
	k.state = s
	k.config.Changed(s)
}
