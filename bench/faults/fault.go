package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// A fault breaks the path under a session, or lets a better one appear.
type fault struct {
	name string
	// do plays it, and returns when it struck.
	do func(context.Context, *session) (time.Time, error)
	// until is the path that the session has in the end; zero: any.
	until bodkin.PathKind
	// planned tells that server or link are away for a while; the bound is not for such faults.
	planned bool
}

// all is every fault in the order in which they come: the last ones need the path that those before them leave.
var all = []fault{
	{name: "server killed, and back after 2 s", do: restartServer, until: bodkin.Direct, planned: true},
	{name: "reset at one end", do: resetFar, until: bodkin.Direct},
	{name: "reset at both ends", do: resetBoth, until: bodkin.Direct},
	{name: "NAT of the dialer rebooted", do: rebootNear, until: bodkin.Direct},
	{name: "NAT of the callee rebooted", do: rebootFar, until: bodkin.Direct},
	{name: "external address of the dialer changed", do: renumberNear, until: bodkin.Direct},
	{name: "external address of the callee changed", do: renumberFar, until: bodkin.Direct},
	{name: "dialer moved to another NAT", do: move, until: bodkin.Direct},
	{name: "link cut for 60 s", do: cutLink, until: bodkin.Direct, planned: true},
	{name: "direct path disappears", do: disappear, until: bodkin.Relayed},
	{name: "relay killed, and back after 1 s", do: killRelay, until: bodkin.Relayed, planned: true},
	{name: "direct path appears", do: appear, until: bodkin.Direct},
	{name: "direct path disappears again", do: disappear, until: bodkin.Relayed},
	{name: "direct path appears again", do: appear, until: bodkin.Direct},
}

// chosen is the faults with one of some words in their names.
func chosen(words string) ([]fault, error) {
	if words == "" {
		return all, nil
	}
	var some []fault
	for _, f := range all {
		if slices.ContainsFunc(strings.Split(words, ","), func(word string) bool { return strings.Contains(f.name, strings.TrimSpace(word)) }) {
			some = append(some, f)
		}
	}
	if len(some) == 0 {
		return nil, fmt.Errorf("no fault has one of %q in its name", words)
	}
	return some, nil
}

func restartServer(ctx context.Context, s *session) (time.Time, error) {
	return s.downFor(ctx, 2*time.Second)
}
func killRelay(ctx context.Context, s *session) (time.Time, error) {
	return s.downFor(ctx, time.Second)
}

func (s *session) downFor(ctx context.Context, d time.Duration) (time.Time, error) {
	began := time.Now()
	s.killServer()
	if err := pause(ctx, d); err != nil {
		return began, err
	}
	return began, s.startServer(ctx)
}

func resetFar(ctx context.Context, s *session) (time.Time, error)  { return s.reset(ctx, false) }
func resetBoth(ctx context.Context, s *session) (time.Time, error) { return s.reset(ctx, true) }

// reset sends one end or both a reset in the other's name. It only counts if it is in sequence, so nothing may be on the way: the writers
// wait until the internet has carried nothing between the two for a while, and it is sent again until a node has noticed.
func (s *session) reset(ctx context.Context, both bool) (time.Time, error) {
	for _, f := range s.flows {
		f.held.Store(true)
		defer f.held.Store(false)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if err := pause(ctx, 2*delayAB+10*time.Millisecond); err != nil {
			return time.Time{}, fmt.Errorf("no reset was in sequence: %w", err)
		}
		near, far, ok := s.newestPair()
		if !ok || time.Since(s.lastBetween(near, far)) < delayAB+10*time.Millisecond {
			continue
		}
		began := time.Now()
		strike := s.lab.Reset
		if both {
			strike = s.lab.ResetBoth
		}
		if err := strike(near, far); err != nil {
			return began, err
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return began, err
		}
		if !s.paths.since(began).IsZero() {
			return began, nil
		}
	}
}

// newestPair is the two outside ends of the connection between the nodes that carried a packet last.
func (s *stage) newestPair() (near, far addrPort, ok bool) {
	flows := slices.DeleteFunc(s.lab.Flows(), func(f natlab.Flow) bool {
		return f.Network != "internet" || f.Protocol != "tcp" || f.From != s.nearNAT.Name() || f.To != s.farNAT.Name()
	})
	if len(flows) == 0 {
		return near, far, false
	}
	newest := slices.MaxFunc(flows, func(x, y natlab.Flow) int { return cmp.Compare(x.Last.UnixNano(), y.Last.UnixNano()) })
	return newest.Src, newest.Dst, true
}

// lastBetween is when the internet carried a packet between two ends last, in either direction.
func (s *stage) lastBetween(near, far addrPort) (last time.Time) {
	for _, f := range s.lab.Flows() {
		between := f.Src == near && f.Dst == far || f.Src == far && f.Dst == near
		if f.Network == "internet" && f.Protocol == "tcp" && between && f.Last.After(last) {
			last = f.Last
		}
	}
	return last
}

func rebootNear(_ context.Context, s *session) (time.Time, error) {
	return time.Now(), s.nearNAT.Reboot()
}
func rebootFar(_ context.Context, s *session) (time.Time, error) {
	return time.Now(), s.farNAT.Reboot()
}

func renumberNear(_ context.Context, s *session) (time.Time, error) {
	return time.Now(), s.nearNAT.SetAddr(s.newAddr())
}

func renumberFar(_ context.Context, s *session) (time.Time, error) {
	return time.Now(), s.farNAT.SetAddr(s.newAddr())
}

func (s *stage) newAddr() string {
	s.number++
	return fmt.Sprintf("198.51.100.%d", 100+s.number%100)
}

// move takes the dialer to another NAT, with another address inside and outside.
func move(_ context.Context, s *session) (time.Time, error) {
	s.number++
	s.nearNAT = s.lab.NAT(fmt.Sprintf("cafe%d", s.number), natlab.PortRestrictedCone(), natlab.At(s.newAddr()))
	return time.Now(), errors.Join(s.near.Move(s.nearNAT), s.distances())
}

func cutLink(ctx context.Context, s *session) (time.Time, error) {
	began := time.Now()
	s.lab.Cut(s.near)
	defer s.lab.Restore(s.near)
	return began, pause(ctx, time.Minute)
}

func disappear(_ context.Context, s *session) (time.Time, error) {
	return time.Now(), s.lab.CutBetween(s.near, s.far)
}

func appear(_ context.Context, s *session) (time.Time, error) {
	return time.Now(), s.lab.RestoreBetween(s.near, s.far)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
