package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// One pair of each kind, so that the command stays true. Times are not looked at: the command itself judges them, on a quiet machine.
// For the same reason those that can be direct are kept from the relay, which is faster where a machine stands still for long.
func TestPairsOfEachKindEndAsTheorySays(t *testing.T) {
	natlab.Test(t, natlab.Config{}) // skips where there is no lab
	conditions := map[string]options{
		"direct": {DirectOnly: true, Only: "linux:port-restricted,linux-reject:two-layers,no-simultaneous-open:icmp-unreachable," +
			"address-restricted:symmetric-random,symmetric-random:public,symmetric-sequential:linux,ipv6-firewall:ipv6-firewall,same-nat,same-carrier-hairpinning"},
		"relayed":    {Only: "symmetric-random:symmetric-sequential-busy,same-carrier"},
		"neighbours": {DirectOnly: true, Traffic: 50, Only: "port-restricted:two-layers"},
		"no UDP":     {DirectOnly: true, NoUDP: true, Only: "same-nat,port-restricted:linux"},
		"jitter":     {DirectOnly: true, Jitter: 5 * time.Millisecond, Only: "port-restricted:linux"},
		"loss":       {DirectOnly: true, Loss: 0.01, Only: "port-restricted:linux"},
	}
	var all sync.WaitGroup // all at once: they wait most of the time, and subtests would wait for each other
	reports := map[string]*report{}
	failures := make(chan error, len(conditions))
	var mu sync.Mutex
	for name, o := range conditions {
		all.Go(func() {
			o.Runs, o.parallel, o.stall = 1, 8, time.Hour
			r, err := measure(t.Context(), o)
			if err != nil {
				failures <- err
				return
			}
			mu.Lock()
			defer mu.Unlock()
			reports[name] = r
		})
	}
	all.Wait()
	select {
	case err := <-failures:
		t.Fatal(err)
	default:
	}
	for name, r := range reports {
		t.Run(name, func(t *testing.T) { checkRuns(t, r) })
	}
}

// checkRuns compares where each run ended with what theory says.
func checkRuns(t *testing.T, r *report) {
	for _, err := range r.failures {
		if errors.Is(err, natlab.ErrUnavailable) && os.Getenv("NATLAB") != "require" {
			t.Skip(err)
		}
		t.Error(err)
	}
	kinds := []string{"host", "server-reflexive", "peer-reflexive", "relayed"}
	for _, p := range r.pairs {
		runs := r.byPair[p.String()]
		if len(runs) != r.Options.Runs {
			t.Errorf("%v: %d runs, want %d", p, len(runs), r.Options.Runs)
		}
		for _, one := range runs {
			if want := p.theory().expects(r.Options); one.Path != want || one.Strangers > 0 || one.Err != "" {
				t.Errorf("%v: got %+v, want %s and no SYN to a stranger", p, one, want)
			} else if !slices.Contains(kinds, one.Candidate) {
				t.Errorf("%v: the peer was found at %q", p, one.Candidate)
			}
		}
	}
}

func TestAnInterruptedMatrixTellsWhatItHas(t *testing.T) {
	natlab.Test(t, natlab.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := measure(ctx, options{Runs: 2, Only: "port-restricted:*", parallel: 4})
	if err == nil || r == nil || len(r.failures) > 0 {
		t.Errorf("got %v and %+v, want a report and why it ended", err, r)
	}
}
