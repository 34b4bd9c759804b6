package natlab

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Log writes one line, in the manner of tcpdump, for every packet that a network of the lab gets
// from now on, until stop is called. Times are milliseconds since the lab began. It slows the lab
// down to what w takes. w is written to by one goroutine at a time.
func (l *Lab) Log(w io.Writer) (stop func()) {
	return l.trace.watch(&logTap{w, l.began})
}

type logTap struct {
	w     io.Writer
	began time.Time
}

func (t *logTap) see(e entry) { io.WriteString(t.w, e.line(t.began)) }

// line tells time, network, ends, endpoints, what is special about the protocol, length and fate.
func (e entry) line(began time.Time) string {
	var b strings.Builder
	to := "nobody"
	if e.to != nil {
		to = e.to.name
	}
	fmt.Fprintf(&b, "%10.3f %s: %s > %s: %v > %v %v", float64(e.at.Sub(began).Microseconds())/1000,
		e.network.name, e.from.name, to, e.packet.src(), e.packet.dst(), e.packet.protocol)
	switch p := e.packet; {
	case p.protocol == protoTCP:
		fmt.Fprintf(&b, " [%v] seq %d ack %d win %d", p.flags(), p.seq(), p.ack(), p.window())
	case p.isError():
		fmt.Fprintf(&b, " type %d code %d", p.raw[p.transport], p.raw[p.transport+1])
		if q, ok := p.quoted(); ok {
			fmt.Fprintf(&b, " about %v > %v", q.src(), q.dst())
		}
	}
	fmt.Fprintf(&b, " length %d", e.packet.payload())
	if e.fate != Carried {
		fmt.Fprintf(&b, " (%v)", e.fate)
	}
	b.WriteByte('\n')
	return b.String()
}
