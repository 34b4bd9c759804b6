package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// An interruption is the cause of a context that a signal ended.
type interruption struct{ signal syscall.Signal }

func (i interruption) Error() string { return i.signal.String() }

// exitCode is what shells expect of a program that a signal ended: 130 for Ctrl-C.
func (i interruption) exitCode() int { return 128 + int(i.signal) }

// withSignals returns a context that the first signal to stop ends. The second one ends the process, in case that what
// was to be cleaned up hangs. SIGHUP is one of these signals until hangups is called: from then on it fills that channel.
func withSignals(parent context.Context) (ctx context.Context, hangups func() <-chan bool, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup it stays ignored
		wanted = append(wanted, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, wanted...)
	var taken atomic.Bool
	hungUp := make(chan bool, 1)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP && taken.Load() {
					select {
					case hungUp <- true:
					default: // one waits already
					}
					continue
				}
				signal.Stop(signals)
				number, _ := s.(syscall.Signal) // all signals are
				cancel(interruption{number})
			case <-ctx.Done():
			}
			return
		}
	}()
	hangups = func() <-chan bool {
		taken.Store(true)
		return hungUp
	}
	return ctx, hangups, func() {
		signal.Stop(signals)
		cancel(nil)
		<-watching
	}
}
