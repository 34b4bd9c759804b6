package main

import (
	"fmt"
	"math"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// millis is a time as JSON has it: milliseconds, to the microsecond.
func millis(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e3 }

// shortTime is a time for people: "143 ms", "0.4 ms".
func shortTime(d time.Duration) string {
	switch ms := millis(d); {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// byteCount is a number of bytes for people, in powers of 1000.
func byteCount(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if value /= 1000; value < 999.95 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// peerJSON is a peer as commands print it with --json.
type peerJSON struct {
	Name     string        `json:"name"`
	ID       bodkin.NodeID `json:"id"`
	Online   bool          `json:"online"`
	Path     *string       `json:"path"`          // "direct" or "relayed"; "waiting": the session looks for a path; null: no session
	Why      string        `json:"why,omitempty"` // why it is relayed, where a direct path was left: "direct path loses 6 %"
	Remote   *string       `json:"remote"`        // the other end of the path
	RTT      *float64      `json:"rtt_ms"`
	BytesIn  uint64        `json:"bytes_in"`
	BytesOut uint64        `json:"bytes_out"`

	Known *bodkin.NodeID `json:"known_id"` // whom the name belongs to, if that is another node: this one is refused
}

func toJSON(p bodkin.Peer) peerJSON {
	j := peerJSON{Name: p.Name, ID: p.ID, Online: p.Online, BytesIn: p.BytesIn, BytesOut: p.BytesOut}
	if !p.Known.IsZero() {
		j.Known = &p.Known
	}
	if p.Path != nil {
		kind := pathWord(*p.Path)
		j.Path, j.Why = &kind, p.Path.Why
		if p.Path.Remote.IsValid() {
			remote := p.Path.Remote.String()
			j.Remote = &remote
		}
	}
	if p.RTT > 0 {
		ms := millis(p.RTT)
		j.RTT = &ms
	}
	return j
}

// pathWord is the kind of a path; "waiting" for that of a session which has none now.
func pathWord(p bodkin.Path) string {
	if p.Kind == 0 {
		return "waiting"
	}
	return p.Kind.String()
}

// route tells a path in words: "direct to 198.51.100.7:23456", "relayed by 192.0.2.1:4000 (direct path loses 6 %)".
func route(p bodkin.Path) string {
	if p.Kind == bodkin.Relayed && p.Why != "" {
		return fmt.Sprintf("relayed by %s (%s)", p.Remote, p.Why)
	}
	if p.Kind == bodkin.Relayed {
		return "relayed by " + p.Remote.String()
	}
	if p.Kind == 0 {
		return "waiting for a path"
	}
	return p.Kind.String() + " to " + p.Remote.String()
}
