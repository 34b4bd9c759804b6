package main

// A watch follows the two nodes of one run.
type watch struct {
	over    bool
	direct  bool
	reason  string
	dialing int64 // when the dial began; 0: not yet
	relayed int64 // when the caller had a relayed connection
	punch   int64 // when the first hole punch began, on either side
	up      int64 // when the caller had a direct connection
	punches int   // tries of the callee, which leads them
	missed  string
}

// caller takes an event of the node that dials. ok is false if its process has ended.
func (w *watch) caller(e notice, ok bool) {
	if !ok {
		w.end("the caller's process ended")
		return
	}
	switch e.Kind {
	case evDialing:
		w.dialing = e.At
	case evRelayed:
		w.relayed = earlier(w.relayed, e.At)
	case evPunch:
		w.punch = earlier(w.punch, e.At)
	case evDirect:
		if w.dialing != 0 {
			w.up, w.direct, w.over = e.At, true, true
		}
	case evEnded:
		w.end(e.Text)
	case evMissed:
		w.missed = e.Text
	}
}

// callee takes an event of the other node.
func (w *watch) callee(e notice, ok bool) {
	if !ok {
		w.end("the callee's process ended")
		return
	}
	switch e.Kind {
	case evPunch:
		w.punch = earlier(w.punch, e.At)
		w.punches++
	case evMissed:
		w.missed = e.Text
	case evEnded:
		w.end(e.Text)
	}
}

// end notes that there will be no direct connection.
func (w *watch) end(reason string) {
	if w.missed != "" && w.missed != reason {
		reason += "; " + w.missed
	}
	w.over, w.reason = true, reason
}

// judge writes down what came of it.
func (w *watch) judge(o *outcome) {
	o.Direct, o.Reason, o.Punches = w.direct, w.reason, w.punches
	if w.relayed != 0 {
		o.RelayedMS = milliseconds(w.relayed - w.dialing)
	}
	if !w.direct {
		return
	}
	o.DirectMS = milliseconds(w.up - w.dialing)
	if w.punch != 0 && w.punch < w.up {
		o.PunchMS = milliseconds(w.up - w.punch)
	}
}

// earlier is the earlier of two times, of which the first may not have come yet. The two processes' notices are read in no order.
func earlier(old, now int64) int64 {
	if old == 0 {
		return now
	}
	return min(old, now)
}

func milliseconds(nanoseconds int64) float64 { return float64(nanoseconds/1000) / 1000 }
