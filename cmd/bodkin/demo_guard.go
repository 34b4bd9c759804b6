package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sameSignal is how far apart a signal and its copy may be: what is sent to a process group comes twice, once by way of
// the process that natlab has begun anew.
const sameSignal = time.Second

// A demoGuard sees to it that a demo which a signal ends leaves no directory behind.
type demoGuard struct {
	signals chan os.Signal
	ended   chan struct{}
	cancel  context.CancelCauseFunc

	mu  sync.Mutex // guards the following
	dir string
}

// guardDemo returns a context that a signal ends, a closed pipe at stdout being one.
func guardDemo(parent context.Context) (context.Context, *demoGuard) {
	ctx, cancel := context.WithCancelCause(parent)
	g := &demoGuard{signals: make(chan os.Signal, 8), ended: make(chan struct{}), cancel: cancel}
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) {
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(g.signals, wanted...)
	go g.watch()
	return ctx, g
}

// watch has the first signal end the demo. A later one ends the process, in case that the end of the demo hangs.
func (g *demoGuard) watch() {
	var first time.Time
	for {
		select {
		case <-g.ended:
			return
		case s := <-g.signals:
			number, _ := s.(syscall.Signal) // all signals are
			switch {
			case first.IsZero():
				first = time.Now()
				g.cancel(interruption{number})
			case number != syscall.SIGPIPE && time.Since(first) > sameSignal:
				g.mu.Lock()
				os.RemoveAll(g.dir)
				os.Exit(interruption{number}.exitCode())
			}
		}
	}
}

// tempDir makes the directory of the demo.
func (g *demoGuard) tempDir() (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	dir, err := os.MkdirTemp("", "bodkin-demo-")
	g.dir = dir
	return dir, err
}

func (g *demoGuard) end() {
	signal.Stop(g.signals)
	close(g.ended)
	g.cancel(nil)
}
