package bodkin

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/relay"
	"github.com/bodkin-p2p/bodkin/internal/session/line"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestPaceDoublesUpToALimit(t *testing.T) {
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var p pace
	var tries []time.Duration
	for at := time.Duration(0); at < 2*time.Hour; at += time.Second {
		if p.due(began, began.Add(at)) {
			tries = append(tries, at)
		}
	}
	for i, want := range []time.Duration{10 * time.Second, 30 * time.Second, 70 * time.Second, 150 * time.Second} {
		if tries[i] != want {
			t.Errorf("try %d after %v, want %v", i, tries[i], want)
		}
	}
	if last := tries[len(tries)-1] - tries[len(tries)-2]; last != improveLast {
		t.Errorf("the last wait is %v, want %v", last, improveLast)
	}
}

func TestWhatHasComeAboutIsTriedSoonWhenItIsNeededAgain(t *testing.T) {
	began := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var p pace
	now := began
	for range 10 {
		now = now.Add(improveLast)
		p.due(began, now)
	}
	if now = now.Add(time.Second); p.due(began, now) {
		t.Fatal("tried again after a second")
	}
	p.succeed()
	if !p.due(began, now) {
		t.Error("not tried at once after it had come about")
	}
	if now = now.Add(2 * improveFirst); !p.due(began, now) {
		t.Errorf("not tried again after %v", 2*improveFirst)
	}
}

func TestRelayPoliciesAreReadAsWritten(t *testing.T) {
	for p := RelayAuto; p <= RelayAlways; p++ {
		if got, err := ParseRelayPolicy(p.String()); got != p || err != nil {
			t.Errorf("%v: got %v, %v", p, got, err)
		}
	}
	for _, text := range []string{"", "Auto", "unknown", "on"} {
		if _, err := ParseRelayPolicy(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestDirectLinkComesBeforeANewerRelayedOne(t *testing.T) {
	if !preferred(Direct, Relayed, true) || preferred(Relayed, Direct, false) || !preferred(Direct, Direct, false) {
		t.Error("want direct before relayed, and then the one that does not yield")
	}
}

func TestTheRelayIsTakenAtOnceOnlyWhereTheServerWasLost(t *testing.T) {
	for name, c := range map[string]struct {
		lost error
		want bool
	}{
		"no loss":            {nil, false},
		"silence":            {line.ErrSilent, false},
		"the server is gone": {&relay.StatusError{Err: io.EOF}, true},
		"the server ends":    {fmt.Errorf("read: %w", &relay.StatusError{Status: wire.RelayStatus_RELAY_STATUS_CLOSING}), true},
		"the peer is gone":   {&relay.StatusError{Status: wire.RelayStatus_RELAY_STATUS_PEER_LOST}, false},
		"no bytes are left":  {&relay.StatusError{Status: wire.RelayStatus_RELAY_STATUS_BYTES}, false},
	} {
		if got := isServerGone(c.lost); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
