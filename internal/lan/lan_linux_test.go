package lan

import (
	"context"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

// A member is one end of a test.
type member struct {
	heard, scanned chan string
	ask            chan struct{}
}

// join runs a member on a host until the test ends.
func join(t *testing.T, host *natlab.Host, beacon string) *member {
	m := &member{heard: make(chan string, 1000), scanned: make(chan string, 1000), ask: make(chan struct{}, 1)}
	config := Config{
		Port: 40000, Within: host.Do, Ask: m.ask,
		Heard:   func(b []byte) { m.heard <- string(b) },
		Scanned: func() { m.scanned <- "" },
	}
	if beacon != "" {
		config.Beacon = func() []byte { return []byte(beacon) }
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, config) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("ended with %v", err)
		}
	})
	return m
}

// hear asks until what is expected was heard: the others begin when they please.
func (m *member) hear(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case got := <-m.heard:
			if got == want {
				return
			}
		case <-m.scanned:
			select {
			case m.ask <- struct{}{}:
			default:
			}
		case <-timeout:
			t.Fatalf("%q never came", want)
		}
	}
}

// await waits until what is expected comes.
func await(t *testing.T, from <-chan string, want string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case got := <-from:
			if got == want {
				return
			}
		case <-timeout:
			t.Fatalf("%q never came", want)
		}
	}
}

func TestBeaconsAreHeardOnOneLink(t *testing.T) {
	lab := natlab.Test(t, natlab.Config{})
	home, other := lab.NAT("home", natlab.Linux()), lab.NAT("other", natlab.Linux())
	far := join(t, other.Host("far"), "far away")
	a := join(t, home.Host("a"), "from a")
	b := join(t, home.Host("b"), "from b")
	c := join(t, home.Host("c"), "")
	b.hear(t, "from a")
	c.hear(t, "from a")
	c.hear(t, "from b")
	a.hear(t, "from b")
	far.hear(t, "far away") // its own
	for len(far.heard) > 0 {
		if got := <-far.heard; got != "far away" {
			t.Errorf("heard in another home: %q", got)
		}
	}
}

func TestWhereMulticastIsRefusedNobodyIsHeardAndAsksAreAnswered(t *testing.T) {
	lab := natlab.Test(t, natlab.Config{})
	nat := lab.NAT("home", natlab.Linux())
	host := nat.Host("a")
	if err := host.Sysctl("net.ipv4.igmp_max_memberships", "0"); err != nil {
		t.Fatal(err)
	}
	a := join(t, host, "from a")
	a.ask <- struct{}{}
	await(t, a.scanned, "")
	if len(a.heard) > 0 {
		t.Errorf("heard %q", <-a.heard)
	}
}
