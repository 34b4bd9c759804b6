package punch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
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

func TestLosersLingerForASecondUnlessTheyEndOrTheCallerDoes(t *testing.T) {
	for _, test := range []struct {
		name    string
		remotes []string // besides the peer
		cancel  time.Duration
		want    time.Duration
	}{
		{"nothing is left", nil, 0, 0},
		{"a dial is answered", []string{"r"}, 0, 300 * time.Millisecond},
		{"a dial stays silent", []string{"r", "x"}, 0, lingerTime},
		{"the caller has enough", []string{"x"}, 200 * time.Millisecond, 200 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n memNet
				a, b, dials := meeting(&n)
				dials[0].answers[addr("r")] = after(4*oneWay+300*time.Millisecond, nil, errnoRefused)
				var lingering sync.WaitGroup
				a.Background = lingering.Go
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				fromA := runAsync(ctx, roundOf(1, append(test.remotes, "b")...), a)
				fromB := runAsync(t.Context(), roundOf(1, "a"), b)
				if o := <-fromA; o.err != nil {
					t.Fatal(o.err)
				}
				began := time.Now()
				if test.cancel > 0 {
					time.AfterFunc(test.cancel, cancel)
				}
				lingering.Wait()
				if got := time.Since(began); got != test.want {
					t.Errorf("lingered for %v, want %v", got, test.want)
				}
				<-fromB
			})
		})
	}
}

// A spare connection that the dialer never resets is read without a deadline: only the second, or the caller, ends it.
func TestACalleesSpareConnectionLingersForASecondUnlessTheCallerEndsIt(t *testing.T) {
	for _, limit := range []time.Duration{200 * time.Millisecond, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var n memNet
			a, b, _ := meeting(&n)
			spare, inside := n.pair(addr("x"), addr("b"), 0)
			accepted := make(chan net.Conn, 1)
			accepted <- inside
			go proveWith(Dialer, 7)(t.Context(), newLink(spare, testAttempt, false))
			var lingering sync.WaitGroup
			b.Accepted, b.Background = accepted, lingering.Go
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			fromA, fromB := runAsync(t.Context(), roundOf(1, "b"), a), runAsync(ctx, roundOf(1, "a"), b)
			<-fromA
			if o := <-fromB; o.err != nil || tryAt(t, o.result.Tries, "x").Outcome != Spare {
				t.Fatalf("%+v", o)
			}
			began := time.Now()
			time.AfterFunc(limit, cancel)
			if inside.isClosed() {
				t.Error("closed at once")
			}
			lingering.Wait()
			if got, want := time.Since(began), min(limit, lingerTime); got != want {
				t.Errorf("lingered for %v, want %v", got, want)
			}
			if !inside.isClosed() {
				t.Error("left open")
			}
		})
	}
}
