package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/bodkin-p2p/bodkin/internal/sockerr"
)

// An interruption is the cause of a context that a signal ended.
type interruption struct{ signal syscall.Signal }

func (i interruption) Error() string { return i.signal.String() }

// exitCode is what shells expect of a program that a signal ended: 130 for Ctrl-C.
func (i interruption) exitCode() int { return 128 + int(i.signal) }

// withSignals returns a context that the first signal to stop ends. The second one ends the process, in case that what
// was to be cleaned up hangs. SIGHUP is one of these signals until hangups is called: from then on it fills that channel, unless it says
// that the terminal has gone from which the command was started.
//
// SIGPIPE is another, if it is about stdout or stderr: ended by it at once, a command would leave its peers waiting for
// its sessions.
func withSignals(parent context.Context) (ctx context.Context, hangups func() <-chan bool, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup it stays ignored
		wanted = append(wanted, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, wanted...)
	pipes := make(chan os.Signal, 1)
	notifyPipes(pipes)
	var taken atomic.Bool
	hungUp := make(chan bool, 1)
	watching := make(chan struct{})
	terminals := openTerminals()
	go func() {
		defer close(watching)
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGHUP && taken.Load() && !anyGone(terminals) {
					select {
					case hungUp <- true:
					default: // one waits already
					}
					continue
				}
				signal.Stop(signals)
				number, _ := s.(syscall.Signal) // all signals are
				cancel(interruption{number})
			case <-pipes: // of a socket, too
				if !anyGone(outputs()) {
					continue
				}
				cancel(interruption{syscall.SIGPIPE})
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
		signal.Stop(pipes)
		cancel(nil)
		<-watching
	}
}

// isBrokenPipe tells whether err is that of a write to stdout or stderr whose reader has gone.
func isBrokenPipe(err error) bool {
	var write *fs.PathError
	return errors.As(err, &write) && (write.Path == os.Stdout.Name() || write.Path == os.Stderr.Name()) && sockerr.IsCut(write.Err)
}
