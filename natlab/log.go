package natlab

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// An entry is one packet in one network.
type entry struct {
	at       time.Time
	network  *network
	from, to *port
	frame    *frame
	packet   *packet
	fate     Fate
}

// A packetLog writes what a trace sees.
type packetLog struct {
	w     io.Writer
	began time.Time
}

func (l *packetLog) write(e entry) { io.WriteString(l.w, e.line(l.began)) }

// line is the entry in the manner of tcpdump: milliseconds, network, endpoints, flags, sequence numbers, fate.
func (e entry) line(began time.Time) string {
	var b strings.Builder
	to := "nobody"
	if e.to != nil {
		to = e.to.name
	}
	fmt.Fprintf(&b, "%10.3f %s: %s > %s: %v > %v ", float64(e.at.Sub(began).Microseconds())/1000, e.network.name,
		e.from.name, to, e.packet.src(), e.packet.dst())
	if e.packet.protocol == protoTCP {
		fmt.Fprintf(&b, "tcp [%v] seq %d ack %d win %d", e.packet.flags(), e.packet.seq(), e.packet.ack(), e.packet.window())
	} else {
		b.WriteString(e.packet.protocol.String())
		if q, ok := e.packet.quoted(); e.packet.isError() && ok {
			fmt.Fprintf(&b, " type %d code %d about %v > %v", e.packet.raw[e.packet.transport],
				e.packet.raw[e.packet.transport+1], q.src(), q.dst())
		}
	}
	fmt.Fprintf(&b, " length %d", e.packet.payload())
	if e.fate != Carried {
		fmt.Fprintf(&b, " (%v)", e.fate)
	}
	b.WriteByte('\n')
	return b.String()
}

// Log writes one line for every packet that a network of the lab gets from now on, until stop is called. w is written to by one
// goroutine at a time. It slows the lab down to what w takes.
func (l *Lab) Log(w io.Writer) (stop func()) {
	log := &packetLog{w, l.began}
	l.trace.mu.Lock()
	defer l.trace.mu.Unlock()
	l.trace.logs = append(l.trace.logs, log)
	return func() { l.trace.stop(log) }
}

func (t *trace) stop(log *packetLog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.logs[:0:0]
	for _, other := range t.logs {
		if other != log {
			kept = append(kept, other)
		}
	}
	t.logs = kept
}
