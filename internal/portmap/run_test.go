package portmap

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
)

// A fakeClient does what its functions say, after a delay, and notes what it was asked.
type fakeClient struct {
	p        Protocol
	delay    time.Duration
	external string // what it maps; empty: it fails
	err      error
	lost     error // what check returns
	asked    *[]string
	mu       *sync.Mutex // guards asked and lost; nil: nobody looks meanwhile
}

func (f *fakeClient) protocol() Protocol { return f.p }

func (f *fakeClient) note(what string) {
	defer f.lock()()
	*f.asked = append(*f.asked, what+" "+f.p.String())
}

func (f *fakeClient) lock() (unlock func()) {
	if f.mu == nil {
		return func() {}
	}
	f.mu.Lock()
	return f.mu.Unlock
}

func (f *fakeClient) find(ctx context.Context) error {
	select {
	case <-time.After(f.delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fakeClient) mapPort(context.Context, time.Duration) (Mapping, error) {
	f.note("map")
	if f.err != nil {
		return Mapping{}, f.err
	}
	return Mapping{Protocol: f.p, External: netip.MustParseAddrPort(f.external), Lifetime: time.Hour}, nil
}

func (f *fakeClient) check(context.Context) error {
	defer f.lock()()
	lost := f.lost
	f.lost = nil
	return lost
}

func (f *fakeClient) unmap(context.Context) error {
	f.note("unmap")
	return nil
}

func TestTheBestProtocolThatIsReadyMaps(t *testing.T) {
	const at = "203.0.113.7:4001"
	for _, row := range []struct {
		name          string
		pcp, pmp, igd fakeClient
		want          []string
	}{
		{"all", fakeClient{external: at}, fakeClient{external: at}, fakeClient{external: at, delay: time.Second}, []string{"map PCP"}},
		{"PCP fails", fakeClient{err: errSilent}, fakeClient{external: at}, fakeClient{external: at, delay: time.Second}, []string{"map PCP", "map NAT-PMP"}},
		{"PCP is slow", fakeClient{external: at, delay: time.Second}, fakeClient{external: at}, fakeClient{external: at, delay: time.Minute}, []string{"map NAT-PMP"}},
		{"both fail", fakeClient{err: errSilent}, fakeClient{err: errSilent}, fakeClient{external: at, delay: time.Second}, []string{"map PCP", "map NAT-PMP", "map UPnP"}},
		{"a little late", fakeClient{external: at, delay: headStart / 2}, fakeClient{external: at}, fakeClient{external: at}, []string{"map PCP"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			row.pcp.p, row.pmp.p, row.igd.p = PCP, NATPMP, UPnP
			var clients []client
			for _, c := range []*fakeClient{&row.pcp, &row.pmp, &row.igd} {
				c.asked = &asked
				clients = append(clients, c)
			}
			results := contest(t.Context(), clients, time.Hour)
			if len(results) != len(clients) || !slices.Equal(asked, row.want) {
				t.Errorf("%s: asked %v, want %v", row.name, asked, row.want)
			}
		})
	}
}

// A fakeNetwork is a keeper's gateway and clients.
type fakeNetwork struct {
	clients map[netip.Addr]*fakeClient
	asked   []string

	mu      sync.Mutex // guards what follows, which the test changes and looks at while the keeper runs
	gateway netip.Addr
	err     error
	states  []State
}

// move changes the gateway.
func (n *fakeNetwork) move(gateway netip.Addr, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gateway, n.err = gateway, err
}

// requests is what the clients were asked so far.
func (n *fakeNetwork) requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

// last is the latest state.
func (n *fakeNetwork) last() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.states[len(n.states)-1]
}

func (n *fakeNetwork) changed(s State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.states = append(n.states, s)
}

// keep runs a keeper on the network until stop, which waits.
func (n *fakeNetwork) keep(t *testing.T, wake <-chan struct{}) (stop func()) {
	k := &keeper{
		config: Config{Port: 4001, Wake: wake, Protocols: []Protocol{PCP}, Changed: n.changed}.withDefaults(),
		gatewayOf: func(netspace.Space) (netip.Addr, error) {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.gateway, n.err
		},
		newClient: func(p Protocol, l link, _ uint16) client {
			c := n.clients[l.gateway]
			c.p, c.asked, c.mu = p, &n.asked, &n.mu
			return c
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.run(ctx) }()
	return func() {
		cancel()
		<-ended
	}
}

var home, cafe = netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("10.0.0.1")

func TestAnotherGatewayIsNoticedAndAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNetwork{gateway: home, clients: map[netip.Addr]*fakeClient{
			home: {external: "203.0.113.7:4001"}, cafe: {external: "198.51.100.9:4001"},
		}}
		wake := make(chan struct{})
		stop := n.keep(t, wake)
		defer stop()
		synctest.Wait()
		n.move(cafe, nil)
		wake <- struct{}{}
		synctest.Wait()
		if last := n.last(); last.Gateway != cafe || last.Mapping == nil || last.Mapping.External.String() != "198.51.100.9:4001" {
			t.Errorf("after the move: %+v", last)
		}
		n.move(netip.Addr{}, ErrNoGateway)
		time.Sleep(2 * DefaultInterval)
		if last := n.last(); !errors.Is(last.Err, ErrNoGateway) || last.Mapping != nil {
			t.Errorf("offline: %+v", last)
		}
		n.move(home, nil)
		time.Sleep(2 * DefaultInterval)
		if last := n.last(); last.Gateway != home || last.Mapping == nil {
			t.Errorf("back: %+v", last)
		}
	})
}

// TestAnotherBoxAtTheSameAddressIsAsked is what 192.168.1.1 at home and in the cafe comes to.
func TestAnotherBoxAtTheSameAddressIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &fakeClient{err: &RefusedError{PCP, 2, "not authorized"}}
		n := &fakeNetwork{gateway: home, clients: map[netip.Addr]*fakeClient{home: box}}
		wake := make(chan struct{})
		stop := n.keep(t, wake)
		defer stop()
		for _, external := range []string{"203.0.113.7:4001", "198.51.100.9:4001"} {
			synctest.Wait()
			n.mu.Lock()
			box.err, box.external = nil, external
			n.mu.Unlock()
			wake <- struct{}{}
			synctest.Wait()
			if last := n.last(); last.Mapping == nil || last.Mapping.External.String() != external {
				t.Errorf("the state is %+v, want mapped at %s", last, external)
			}
		}
	})
}

func TestAGatewayThatRefusesIsAskedAgainMuchLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNetwork{gateway: home, clients: map[netip.Addr]*fakeClient{home: {err: &RefusedError{PCP, 2, "not authorized"}}}}
		stop := n.keep(t, nil)
		time.Sleep(retryInterval - time.Minute)
		if len(n.requests()) != 1 {
			t.Errorf("asked %d times in 14 minutes", len(n.requests()))
		}
		time.Sleep(2 * time.Minute)
		if len(n.requests()) != 2 {
			t.Errorf("asked %d times in 16 minutes, want 2", len(n.requests()))
		}
		if last := n.last(); last.Mapping != nil || last.Err == nil {
			t.Errorf("state is %+v, want the refusal", last)
		}
		stop()
		if slices.Contains(n.requests(), "unmap PCP") {
			t.Error("what was refused is removed")
		}
	})
}

func TestTheMappingIsRenewedAndRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeClient{external: "203.0.113.7:4001"}
		n := &fakeNetwork{gateway: home, clients: map[netip.Addr]*fakeClient{home: c}}
		stop := n.keep(t, nil)
		time.Sleep(90*time.Minute + time.Second) // of leases of an hour
		if len(n.requests()) != 4 {
			t.Errorf("asked %v in an hour and a half, want four times", n.requests())
		}
		n.mu.Lock()
		c.lost = errLost
		n.mu.Unlock()
		time.Sleep(DefaultInterval)
		if len(n.requests()) != 5 {
			t.Errorf("not asked again after the loss: %v", n.requests())
		}
		stop()
		if len(n.states) != 2 { // being asked, mapped: nothing else has changed
			t.Errorf("told of %d states: %+v", len(n.states), n.states)
		}
		if n.requests()[len(n.requests())-1] != "unmap PCP" {
			t.Errorf("asked %v, want the end to be a removal", n.requests())
		}
	})
}
