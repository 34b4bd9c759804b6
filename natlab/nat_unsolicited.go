package natlab

import (
	"bytes"
	"time"
)

const (
	// holdTime is how long a SYN waits for its counterpart (RFC 5382, REQ-4).
	holdTime = 6 * time.Second
	// maxHeld bounds the SYNs that wait; more are dropped without an answer.
	maxHeld = 1024
)

// answer is what is sent back for an unsolicited packet, nil for nothing.
func (n *nat) answer(now time.Time, p *packet) []byte {
	switch n.behavior.Unsolicited {
	case UnsolicitedReset:
		return refusal(p)
	case UnsolicitedUnreachable:
		return unreachable(p)
	case UnsolicitedHold:
		if p.isSYN() {
			n.held.add(p, now.Add(holdTime))
		}
	}
	return nil
}

// refusal is the answer of a host on which nobody listens.
func refusal(p *packet) []byte {
	if p.protocol == protoTCP {
		return tcpReset(p)
	}
	return unreachable(p)
}

// unreachable is ICMP port unreachable, for protocols that have ports and not for a reset.
func unreachable(p *packet) []byte {
	isReset := p.protocol == protoTCP && p.flags().has(flagRST)
	if p.isEchoRequest() || p.isEchoReply() || isReset {
		return nil
	}
	return icmpUnreachable(p, unreachablePort)
}

// heldSYNs are inbound SYNs that wait for the inside to send one, too. Its zero value is empty.
type heldSYNs struct {
	queue   []heldSYN             // in the order they came, which is the order they are due
	waiting map[flowKey]time.Time // when each is due; queued ones not in here were canceled
}

type heldSYN struct {
	key flowKey // local is the external endpoint
	due time.Time
	raw []byte
}

// add holds a SYN. One that repeats a held SYN does not wait longer than the first.
func (h *heldSYNs) add(p *packet, due time.Time) {
	key := flowKey{p.protocol, p.to, p.from}
	if _, ok := h.waiting[key]; ok || len(h.queue) >= maxHeld {
		return
	}
	if h.waiting == nil {
		h.waiting = make(map[flowKey]time.Time)
	}
	h.waiting[key] = due
	h.queue = append(h.queue, heldSYN{key, due, bytes.Clone(p.raw)})
}

// cancel forgets a held SYN: the inside has sent its own.
func (h *heldSYNs) cancel(key flowKey) {
	delete(h.waiting, key)
	h.skipCanceled()
}

// next tells when the first held SYN is due.
func (h *heldSYNs) next() (time.Time, bool) {
	if len(h.queue) == 0 {
		return time.Time{}, false
	}
	return h.queue[0].due, true
}

// take removes and returns the first held SYN if it is due.
func (h *heldSYNs) take(now time.Time) ([]byte, bool) {
	if len(h.queue) == 0 || now.Before(h.queue[0].due) {
		return nil, false
	}
	first := h.queue[0]
	delete(h.waiting, first.key)
	h.queue = h.queue[1:]
	h.skipCanceled()
	return first.raw, true
}

// skipCanceled keeps the head of the queue one that still waits.
func (h *heldSYNs) skipCanceled() {
	for len(h.queue) > 0 && h.waiting[h.queue[0].key] != h.queue[0].due {
		h.queue = h.queue[1:]
	}
}

// answerHeld answers the SYNs whose time is over.
func (n *nat) answerHeld(now time.Time) {
	for {
		raw, ok := n.held.take(now)
		if !ok {
			return
		}
		if p, ok := parse(raw); ok {
			n.sendOutside(icmpUnreachable(&p, unreachablePort))
		}
	}
}
