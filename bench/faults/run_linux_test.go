package main

import (
	"os"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) {
	if serving() {
		return
	}
	natlab.Main(m)
}

// TestATransferArrivesThroughTwoFaults keeps the command true; the figures are for a quiet machine.
func TestATransferArrivesThroughTwoFaults(t *testing.T) {
	natlab.Test(t, natlab.Config{}) // skips where there is no lab
	report, err := run(t.Context(), options{size: 48, rounds: 1, rest: 100 * time.Millisecond, only: "both ends,moved"}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	if len(report.lines) != 2 || report.hashes[0] == nil {
		t.Errorf("%d faults, hashes %x", len(report.lines), report.hashes)
	}
}
