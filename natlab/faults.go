package natlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// SetLink replaces the link of an attachment: for a NAT, that to the outside.
func (l *Lab) SetLink(x Attachment, link Link) {
	if p := x.attachment(); p != nil {
		p.link.Store(&link)
	}
}

// Cut cuts the link of an attachment. All packets on it are lost, and nobody is told.
func (l *Lab) Cut(x Attachment) {
	if p := x.attachment(); p != nil {
		p.cut.Store(true)
	}
}

// Restore undoes Cut.
func (l *Lab) Restore(x Attachment) {
	if p := x.attachment(); p != nil {
		p.cut.Store(false)
	}
}

// CutBetween cuts the way between two attachments of one network, in both directions, and no other. All packets on it are lost, and
// nobody is told. For what is behind NATs, it is the way between the outermost attachments that are in one network.
func (l *Lab) CutBetween(x, y Attachment) error { return l.setCut(x, y, true) }

// RestoreBetween undoes CutBetween.
func (l *Lab) RestoreBetween(x, y Attachment) error { return l.setCut(x, y, false) }

func (l *Lab) setCut(x, y Attachment, cut bool) error {
	return l.between(x, y, func(t *table, there, back [2]*port) {
		t.cuts[there], t.cuts[back] = cut, cut
	})
}

// Reboot makes the NAT forget all mappings and connections at once.
func (n *NAT) Reboot() error {
	if n.err != nil {
		return n.err
	}
	return n.box.reboot()
}

// Age does to mappings and connections what that much time without a packet would do: those that
// time out in it are gone. Those of a kernel NAT that stay are not shortened.
func (n *NAT) Age(d time.Duration) error {
	if n.err != nil {
		return n.err
	}
	return n.box.age(d)
}

// SetAddr changes the NAT's addresses on the outside, as a provider does. Mappings with an old
// address are gone.
func (n *NAT) SetAddr(addrs ...string) error {
	if n.err != nil {
		return n.err
	}
	o, err := parseOptions([]Option{At(addrs...)})
	if err != nil {
		return err
	}
	w := n.outside.net.Load()
	chosen, err := w.choose(kindNAT, o.addrs)
	if err != nil {
		return err
	}
	err = w.change(func(t *table) error { return t.assign(n.outside, chosen) })
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.addrs = chosen
	n.mu.Unlock()
	return n.box.setExternal(chosen)
}

// A Network is what hosts and NATs are attached to: a *Lab, which is the internet, or the inside of
// a *NAT.
type Network interface{ network() *network }

func (l *Lab) network() *network { return l.core }
func (n *NAT) network() *network { return n.inside }

// Move attaches the host to another network, with another address: At's, or a free one. Without Via
// or Delay it keeps its link. Sockets that are bound to the old address stay open, and nothing gets
// through to them.
func (h *Host) Move(to Network, list ...Option) error {
	if h.err != nil {
		return h.err
	}
	n := to.network()
	o, err := parseOptions(append([]Option{Via(*h.port.link.Load())}, list...))
	if err != nil {
		return err
	}
	addrs, err := n.choose(kindHost, o.addrs)
	if err != nil {
		return err
	}
	if old := h.port.net.Load(); old != nil {
		old.detach(h.port)
	}
	if err := h.space.readdress("eth0", n.ifconfig(addrs)); err != nil {
		return err
	}
	h.port.link.Store(&o.link)
	h.mu.Lock()
	h.addrs = addrs
	h.mu.Unlock()
	return n.attach(h.port, addrs, nil)
}

// Reset sends dst a TCP reset in the name of src, as some boxes on the way do. The internet must
// have seen a segment from src to dst; the reset is in sequence if nothing sent after that one is
// on its way. dst's NAT sees it too.
func (l *Lab) Reset(src, dst netip.AddrPort) error {
	send, err := l.reset(src, dst)
	if err == nil {
		send()
	}
	return err
}

// ResetBoth sends both ends of a connection a reset in the other's name, as [Lab.Reset] does, before either can have done anything about
// its own.
func (l *Lab) ResetBoth(a, b netip.AddrPort) error {
	toB, err := l.reset(a, b)
	if err != nil {
		return err
	}
	toA, err := l.reset(b, a)
	if err != nil {
		return err
	}
	toB()
	toA()
	return nil
}

// reset makes what Reset sends.
func (l *Lab) reset(src, dst netip.AddrPort) (send func(), err error) {
	next, ok := l.trace.sequence(l.core, src, dst)
	if !ok {
		return nil, fmt.Errorf("natlab: no segment from %v to %v yet", src, dst)
	}
	to := l.core.table.Load().owner(dst.Addr())
	if to == nil {
		return nil, errors.New("natlab: nobody has the address " + dst.Addr().String())
	}
	header := make([]byte, 20)
	binary.BigEndian.PutUint16(header[0:], src.Port())
	binary.BigEndian.PutUint16(header[2:], dst.Port())
	binary.BigEndian.PutUint32(header[4:], next)
	header[12], header[13] = 5<<4, byte(flagRST)
	return func() { l.core.answer(to, ipPacket(protoTCP, src.Addr(), dst.Addr(), header)) }, nil
}
