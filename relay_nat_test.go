package bodkin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/stopwatch"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// firstByteLimit is what a pair that cannot be punched may take, from the dial to the first protected byte, at the delays of the issue.
const firstByteLimit = 600 * time.Millisecond

// relayedPairs are pairs of NATs that no simultaneous open crosses without guessing.
var relayedPairs = []struct {
	name      string
	near, far natlab.Behavior
}{
	{"symmetric to port-restricted", natlab.Symmetric(), natlab.PortRestrictedCone()},
	{"port-restricted to symmetric", natlab.PortRestrictedCone(), natlab.Symmetric()},
	{"symmetric to symmetric", natlab.Symmetric(), natlab.Symmetric()},
	{"symmetric to linux that rejects", natlab.Symmetric(), natlab.LinuxReject()},
	{"linux that rejects to symmetric", natlab.LinuxReject(), natlab.Symmetric()},
}

// TestPairsThatCannotBePunchedAreRelayed is every run of each, and the first byte of the median in time.
func TestPairsThatCannotBePunchedAreRelayed(t *testing.T) {
	for _, pair := range relayedPairs {
		t.Run(pair.name, func(t *testing.T) {
			t.Parallel() // they wait most of the time
			w := newWorldOf(t, server.Config{})
			near, far := behind(w.lab.NAT("near", pair.near), "a"), behind(w.lab.NAT("far", pair.far), "b")
			w.delays(near, far, delayAS, delayBS, delayAB)
			stopwatch.Within(t, firstByteLimit, func() time.Duration { return w.relaySeries(t, near, far, runs()) })
		})
	}
}

// relaySeries relays some times and tells the median time to the first byte.
func (w *world) relaySeries(t *testing.T, near, far home, runs int) time.Duration {
	t.Helper()
	var secured, answered []time.Duration
	for run := range runs {
		first, whole, err := w.relayOnce(t, near, far)
		if err != nil {
			t.Errorf("run %d: %v", run, err)
			continue
		}
		secured, answered = append(secured, first), append(answered, whole)
	}
	if len(secured) == 0 {
		return 0
	}
	slices.Sort(secured)
	slices.Sort(answered)
	median := secured[len(secured)/2]
	t.Logf("%d of %d relayed; first byte sendable after %.0f ms (median), %.0f ms (slowest); answer of the peer after %.0f ms (median)",
		len(secured), runs, ms(median), ms(secured[len(secured)-1]), ms(answered[len(answered)/2]))
	return median
}

// relayOnce joins two fresh nodes, dials, and tells when the first byte could be sent and when the first one came back.
func (w *world) relayOnce(t *testing.T, near, far home) (sendable, answered time.Duration, err error) {
	a := w.join(t, near, bodkin.Config{Name: "ada"})
	b := w.join(t, far, bodkin.Config{Name: "ben"})
	defer a.Close()
	defer b.Close()
	echo(t, b, "echo")
	began := time.Now()
	conn, err := a.Dial(t.Context(), "ben", "echo")
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	sendable = time.Since(began)
	if _, err := io.WriteString(conn, "x"); err != nil {
		return 0, 0, err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return 0, 0, err
	}
	answered = time.Since(began)
	if path := conn.Path(); path.Kind != bodkin.Relayed || path.Remote.Addr() != w.server.Addr() || path.Candidate != "relayed" {
		return 0, 0, fmt.Errorf("path %+v, want relayed by %v", path, w.server.Addr())
	}
	return sendable, answered, nil
}

// TestPunchThatWorksNeverTouchesTheRelay counts at the server, at distances from one house to two continents.
func TestPunchThatWorksNeverTouchesTheRelay(t *testing.T) {
	for _, c := range []struct {
		name    string
		a, b, c time.Duration // A-S, B-S, A-B
		runs    int
	}{
		{"one town", 2 * time.Millisecond, 3 * time.Millisecond, time.Millisecond, 10},
		{"the delays of the issue", delayAS, delayBS, delayAB, 10},
		{"far from each other, the server between", 70 * time.Millisecond, 70 * time.Millisecond, 140 * time.Millisecond, 4},
		{"the server far from both", 120 * time.Millisecond, 130 * time.Millisecond, 10 * time.Millisecond, 4},
		{"a detour to each other", 20 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, server.Config{})
			near, far := behind(w.lab.NAT("near", natlab.PortRestrictedCone()), "a"), behind(w.lab.NAT("far", natlab.Linux()), "b")
			w.delays(near, far, c.a, c.b, c.c)
			for range c.runs {
				stopwatch.Met(t, func() error { // a stall of 100 ms takes the head start
					before := w.metric(t, relayConnections)
					err := w.connect(t, near, far)
					if after := w.metric(t, relayConnections); after != before {
						return fmt.Errorf("%s connections came to the relay, %s before", after, before)
					}
					return err
				})
			}
		})
	}
}

// relayConnections is the server's count of connections that came to its relay.
const relayConnections = "bodkin_relay_connections_total"

// wantNoRelay expects that no node has come to the server's relay.
func (w *world) wantNoRelay(t *testing.T) {
	t.Helper()
	if got := w.metric(t, relayConnections); got != "0" {
		t.Errorf("%s connections came to the relay, want none", got)
	}
}

// metric asks the server for one of its figures.
func (w *world) metric(t *testing.T, name string) string {
	t.Helper()
	conn, err := w.server.Dial(t.Context(), "tcp", serverHTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /metrics HTTP/1.0\r\n\r\n")
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no metric %s", name)
	return ""
}

// TestRelayedSessionEndsWithAReason: when the server is shut down it says so, and the session ends when it has waited for another path
// as long as it may; what nodes then try says that too.
func TestRelayedSessionEndsWithAReason(t *testing.T) {
	w := newWorldOf(t, server.Config{})
	patience := bodkin.Config{PathWait: time.Second}
	a := w.join(t, behind(w.lab.NAT("near", natlab.Symmetric()), "a"), named("ada", patience))
	b := w.join(t, behind(w.lab.NAT("far", natlab.Symmetric()), "b"), named("ben", patience))
	echo(t, b, "echo")
	conn, err := a.Dial(t.Context(), "ben", "echo")
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err = io.ReadAll(conn)
	if !errors.Is(err, bodkin.ErrRelayEnded) || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("stream after the end: %v, want ErrRelayEnded and why", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // the node gives the server up after 15 s at the latest
	defer cancel()
	if _, err := a.Dial(ctx, "ben", "echo"); !errors.Is(err, bodkin.ErrServerUnreachable) {
		t.Errorf("dial after the end: %v, want ErrServerUnreachable", err)
	}
}

func named(name string, config bodkin.Config) bodkin.Config {
	config.Name = name
	return config
}

// TestPoliciesOfTheRelay are those of either node, where a punch works and where it does not.
func TestPoliciesOfTheRelay(t *testing.T) {
	const none = bodkin.PathKind(0)
	cone, symmetric := natlab.PortRestrictedCone(), natlab.Symmetric()
	for _, c := range []struct {
		name      string
		near, far natlab.Behavior
		a, b      bodkin.RelayPolicy
		want      bodkin.PathKind
	}{
		{"always on one side of a punch that works", cone, cone, bodkin.RelayAlways, bodkin.RelayAuto, bodkin.Relayed},
		{"always on the other", cone, cone, bodkin.RelayAuto, bodkin.RelayAlways, bodkin.Relayed},
		{"never where a punch works", cone, cone, bodkin.RelayNever, bodkin.RelayAuto, bodkin.Direct},
		{"never of the caller where none does", symmetric, cone, bodkin.RelayNever, bodkin.RelayAuto, none},
		{"never of the called", symmetric, cone, bodkin.RelayAuto, bodkin.RelayNever, none},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, server.Config{})
			near, far := behind(w.lab.NAT("near", c.near), "a"), behind(w.lab.NAT("far", c.far), "b")
			a := w.join(t, near, bodkin.Config{Name: "ada", Relay: c.a})
			w.join(t, far, bodkin.Config{Name: "ben", Relay: c.b})
			ping, err := a.Ping(t.Context(), "ben")
			if c.want == none {
				if !errors.Is(err, bodkin.ErrNoDirectPath) {
					t.Errorf("got %v, %v, want ErrNoDirectPath", ping.Path, err)
				}
				w.wantNoRelay(t)
				return
			}
			if err != nil || ping.Path.Kind != c.want {
				t.Errorf("got %v, %v, want %v", ping.Path.Kind, err, c.want)
			}
			if c.a == bodkin.RelayAlways || c.b == bodkin.RelayAlways {
				for from, targets := range w.lab.SYNs() {
					for to := range targets {
						if to.Addr() != w.server.Addr() && from != w.server.Addr() { // which measures how a node's network answers
							t.Errorf("a SYN from %v to %v, though one side is not to be found", from, to)
						}
					}
				}
			}
		})
	}
}

// TestServerWithoutARelayOffersNone is bodkin server --relay=false.
func TestServerWithoutARelayOffersNone(t *testing.T) {
	w := newWorld(t)
	a := w.join(t, behind(w.lab.NAT("near", natlab.Symmetric()), "a"), bodkin.Config{Name: "ada"})
	w.join(t, behind(w.lab.NAT("far", natlab.Symmetric()), "b"), bodkin.Config{Name: "ben"})
	if _, err := a.Ping(t.Context(), "ben"); !errors.Is(err, bodkin.ErrNoDirectPath) {
		t.Errorf("got %v, want ErrNoDirectPath", err)
	}
}

// TestQuotaEndsASessionWithAReason runs into the bytes of a room.
func TestQuotaEndsASessionWithAReason(t *testing.T) {
	w := newWorldOf(t, server.Config{RelayLimits: server.RelayLimits{BytesPerRoom: 1 << 20}})
	a := w.join(t, behind(w.lab.NAT("near", natlab.Symmetric()), "a"), bodkin.Config{Name: "ada"})
	b := w.join(t, behind(w.lab.NAT("far", natlab.Symmetric()), "b"), bodkin.Config{Name: "ben"})
	echo(t, b, "echo")
	conn, err := a.Dial(t.Context(), "ben", "echo")
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, conn)
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = conn.Write(block)
	}
	if !errors.Is(err, bodkin.ErrRelayEnded) || !strings.Contains(err.Error(), "used up") {
		t.Errorf("got %v, want ErrRelayEnded and why", err)
	}
	if _, err := a.Ping(t.Context(), "ben"); err == nil || !strings.Contains(err.Error(), "used up") {
		t.Errorf("ping: %v, want to hear that no bytes are left", err)
	}
}
