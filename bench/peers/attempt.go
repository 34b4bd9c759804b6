package main

import (
	"context"
	"errors"
	"net/netip"
)

// An attempt is one system's run of one pair.
type attempt struct {
	stage        *stage
	near, far    *site
	caller       *process
	callee       *process
	target       dialTarget
	outcome      outcome
	preparations error
}

// prepare starts both nodes with NATs that remember nothing, and waits until they are ready.
func (a *attempt) prepare(ctx context.Context, system system) {
	limited, cancel := context.WithTimeout(ctx, prepareLimit)
	defer cancel()
	a.preparations = func() (err error) {
		for _, site := range []*site{a.near, a.far} {
			if site.nat != nil {
				if err := site.nat.Reboot(); err != nil {
					return err
				}
			}
		}
		if a.callee, err = startRole(ctx, a.far.Host, system.role, system.config(a.stage, a.far, a.outcome.Run)); err != nil {
			return err
		}
		if a.caller, err = startRole(ctx, a.near.Host, system.role, system.config(a.stage, a.near, a.outcome.Run)); err != nil {
			return err
		}
		if _, err = a.callee.await(limited, evReady, &a.target); err != nil {
			return err
		}
		_, err = a.caller.await(limited, evReady, nil)
		return err
	}()
}

// dial lets the caller dial, and follows both until there is a direct connection or nobody tries any more.
func (a *attempt) dial(ctx context.Context) {
	if a.preparations != nil {
		a.outcome.Reason = "not ready: " + a.preparations.Error()
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialLimit, errors.New("no direct connection within the limit"))
	defer cancel()
	before := a.syns()
	if err := a.caller.order(a.target); err != nil {
		a.outcome.Reason = err.Error()
		return
	}
	var w watch
	for !w.over {
		select {
		case e, ok := <-a.caller.events:
			w.caller(e, ok)
		case e, ok := <-a.callee.events:
			w.callee(e, ok)
		case <-ctx.Done():
			w.end(context.Cause(ctx).Error())
		}
	}
	w.judge(&a.outcome)
	a.outcome.SYNs, a.outcome.Strangers = a.synsSince(before)
}

// syns are all SYNs of the two so far, by destination.
func (a *attempt) syns() map[netip.AddrPort]int64 {
	sum := map[netip.AddrPort]int64{}
	all := a.stage.lab.SYNs()
	for _, from := range []netip.Addr{a.near.outside, a.far.outside} {
		for to, n := range all[from] {
			sum[to] += n
		}
	}
	return sum
}

// synsSince counts SYNs, and how many of them went to addresses that are neither of the two nor the server's.
func (a *attempt) synsSince(before map[netip.AddrPort]int64) (all, strangers int64) {
	for to, n := range a.syns() {
		n -= before[to]
		all += n
		known := to.Addr() == a.near.outside || to.Addr() == a.far.outside
		for _, server := range a.stage.server.Addrs() {
			known = known || to.Addr() == server
		}
		if !known {
			strangers += n
		}
	}
	return all, strangers
}

func (a *attempt) stop() {
	a.caller.stop()
	a.callee.stop()
}
