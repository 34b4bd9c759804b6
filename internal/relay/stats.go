package relay

import (
	"sync/atomic"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// Stats is what a Server has, and had since it began.
type Stats struct {
	Waiting int   // connections whose peer has not come
	Pairs   int   // joined
	Came    int64 // connections, ever
	Joined  int64 // pairs, ever
	Bytes   int64 // carried, both ways together; of a running pair up to 15 s late

	Refused map[string]int64 // connections that were not joined, by reason; "hello": they did not say what a node says
	Ended   map[string]int64 // pairs, by reason; "orderly": both nodes ended it
}

// statuses is how many reasons there are. Number 0 is RELAY_STATUS_UNSPECIFIED, for what needs none.
const statuses = int(wire.RelayStatus_RELAY_STATUS_CLOSING) + 1

// counts is what Stats tells of the past.
type counts struct {
	came, bytes, joined atomic.Int64
	refused             [statuses]atomic.Int64
	ended               [statuses]atomic.Int64
}

func (c *counts) refuse(status wire.RelayStatus) { c.refused[status].Add(1) }

// names are the reasons as an operator sees them, in the order of their numbers.
var names = [statuses]string{"", "", "token", "busy", "bytes", "alone", "time", "idle", "stalled", "peer_lost", "closing"}

// Stats counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	stats := Stats{Waiting: s.waiting, Pairs: len(s.pairs)}
	s.mu.Unlock()
	stats.Came = s.counts.came.Load()
	stats.Joined, stats.Bytes = s.counts.joined.Load(), s.counts.bytes.Load()
	stats.Refused = map[string]int64{"hello": s.counts.refused[0].Load()}
	stats.Ended = map[string]int64{"orderly": s.counts.ended[0].Load()}
	for _, i := range []wire.RelayStatus{wire.RelayStatus_RELAY_STATUS_TOKEN, wire.RelayStatus_RELAY_STATUS_BUSY,
		wire.RelayStatus_RELAY_STATUS_BYTES, wire.RelayStatus_RELAY_STATUS_ALONE, wire.RelayStatus_RELAY_STATUS_CLOSING} {
		stats.Refused[names[i]] = s.counts.refused[i].Load()
	}
	for _, i := range []wire.RelayStatus{wire.RelayStatus_RELAY_STATUS_BYTES, wire.RelayStatus_RELAY_STATUS_TIME,
		wire.RelayStatus_RELAY_STATUS_IDLE, wire.RelayStatus_RELAY_STATUS_STALLED, wire.RelayStatus_RELAY_STATUS_PEER_LOST,
		wire.RelayStatus_RELAY_STATUS_CLOSING} {
		stats.Ended[names[i]] = s.counts.ended[i].Load()
	}
	return stats
}
