package main

import (
	"os"
	"testing"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

// TestATransferThatIsKilledAFewTimesArrives is what -kills 20 does twenty times.
func TestATransferThatIsKilledAFewTimesArrives(t *testing.T) {
	s, err := newStage(t.Context(), t.TempDir(), slowPath, false)
	if err != nil {
		if os.Getenv("NATLAB") != "require" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	defer s.close()
	report, err := s.killing(t.Context(), 3, 12<<20)
	t.Log(report)
	if err != nil {
		t.Error(err)
	}
}

// TestForwardedConnectionsLeaveNothingBehind is what -connections 10000 does with more of them.
func TestForwardedConnectionsLeaveNothingBehind(t *testing.T) {
	s, err := newStage(t.Context(), t.TempDir(), natlab.Link{}, false)
	if err != nil {
		if os.Getenv("NATLAB") != "require" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	defer s.close()
	report, err := s.connections(t.Context(), 500)
	t.Log(report)
	if err != nil {
		t.Error(err)
	}
}
