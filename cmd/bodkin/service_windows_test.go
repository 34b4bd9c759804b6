package main

import (
	"context"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/windows/svc"
)

// fakeManager stands for Windows' service manager, at the two channels by which it speaks with a service. No service has been run by
// the real one.
type fakeManager struct {
	asks  chan svc.ChangeRequest
	told  chan svc.Status
	ended chan uint32
}

func manage(h serviceHandler) *fakeManager {
	m := &fakeManager{asks: make(chan svc.ChangeRequest), told: make(chan svc.Status, 10), ended: make(chan uint32, 1)}
	go func() {
		own, code := h.Execute(nil, m.asks, m.told)
		if code != 0 && !own {
			code += 1 << 16 // which the manager would take for an error of Windows
		}
		m.ended <- code
	}()
	return m
}

func (m *fakeManager) hears(t *testing.T, want svc.State) {
	t.Helper()
	select {
	case status := <-m.told:
		if status.State != want {
			t.Fatalf("the service tells state %d, want %d", status.State, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the service does not tell state %d", want)
	}
}

func (m *fakeManager) ends(t *testing.T, want uint32) {
	t.Helper()
	select {
	case code := <-m.ended:
		if code != want {
			t.Errorf("the service ends with %d, want %d", code, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the service does not end")
	}
}

// Seen to fail: with a Stop that is passed on as another cause.
func TestAServiceEndsInOrderWhenItsManagerAsks(t *testing.T) {
	for _, ask := range []svc.Cmd{svc.Stop, svc.Shutdown} {
		var cause error
		m := manage(serviceHandler{func(ctx context.Context, _ io.Writer) int {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return 143
		}})
		m.hears(t, svc.Running)
		m.asks <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: svc.Status{State: svc.Running}}
		m.hears(t, svc.Running)
		m.asks <- svc.ChangeRequest{Cmd: ask}
		m.hears(t, svc.StopPending)
		m.ends(t, 0)
		if _, asked := cause.(interruption); !asked {
			t.Errorf("the node was ended by %v, want an interruption", cause)
		}
	}
}

// Seen to fail: with the code of a failure left out.
func TestAServiceThatFailsTellsItsExitCode(t *testing.T) {
	m := manage(serviceHandler{func(context.Context, io.Writer) int { return exitServerUnreachable }})
	m.hears(t, svc.Running)
	m.ends(t, exitServerUnreachable)
}
