package punch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestCancellingEndsEverythingAtOnce(t *testing.T) {
	for at := time.Duration(0); at < 6*oneWay; at += oneWay / 5 {
		synctest.Test(t, func(t *testing.T) {
			var n memNet
			a, b, _ := meeting(&n)
			ctx, cancel := context.WithCancelCause(t.Context())
			reason := errors.New("the user left")
			fromA, fromB := runAsync(ctx, roundOf(1, "b"), a), runAsync(ctx, roundOf(1, "a"), b)
			time.Sleep(at)
			synctest.Wait() // what happens in this instant has happened
			began := time.Now()
			cancel(reason)
			atA, atB := <-fromA, <-fromB
			if took := time.Since(began); took != 0 {
				t.Errorf("cancelled at %v: took %v more", at, took)
			}
			var kept []net.Conn
			for _, o := range []outcome{atA, atB} {
				if o.err == nil {
					kept = append(kept, o.result.Socket)
				} else if !errors.Is(o.err, reason) || errors.Is(o.err, ErrNoDirectPath) {
					t.Errorf("cancelled at %v: error %v, want %v", at, o.err, reason)
				}
			}
			if done := at >= 4*oneWay; done != (atA.err == nil) {
				t.Errorf("cancelled at %v: the dialer's error is %v", at, atA.err)
			}
			if open := n.stillOpen(kept...); len(open) > 0 {
				t.Errorf("cancelled at %v: left open: %v", at, open)
			}
		})
	}
}

// Dials that end with the context may be seen before the context itself: the reason is the caller's all the same.
func TestACancelledAttemptDoesNotClaimThatThereIsNoPath(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			d := &dialer{answers: map[netip.AddrPort]func(context.Context) (net.Conn, error){
				addr("r"): after(time.Millisecond, nil, errnoRefused),
			}}
			rounds := make(chan Round)
			close(rounds)
			o := <-runAsync(ctx, roundOf(1, "r", "x"), Plan{
				Attempt: testAttempt, Role: Dialer, Dial: d.dial, Verify: proveWith(Dialer, 7), Rounds: rounds,
				Report: func(Failure) {
					cancel()
					time.Sleep(time.Millisecond) // the other dial has ended when Run looks again
				},
			})
			if !errors.Is(o.err, context.Canceled) || errors.Is(o.err, ErrNoDirectPath) {
				t.Errorf("got %v, want %v", o.err, context.Canceled)
			}
		})
	}
}
