package portmap

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const (
	pcpVersion  = 2
	pcpAnnounce = 0 // opcodes
	pcpMap      = 1
	pcpResponse = 0x80

	pcpHeaderLen = 24
	pcpMapLen    = 36
	protocolTCP  = 6 // IANA protocol number

	pcpUnsupportedVersion = 1
)

// pcpNonce binds a mapping to who made it: without it nobody else on the link can renew or remove the mapping.
type pcpNonce [12]byte

// A pcpRequest is a request by PCP. A mapping has a nonce and ports; an announcement has neither.
type pcpRequest struct {
	opcode   uint8
	lifetime uint32     // seconds; 0 removes
	client   netip.Addr // the address that the packet is sent from
	nonce    pcpNonce
	internal uint16
	external netip.AddrPort // suggested
}

// encode returns the request as sent (RFC 6887, sections 7.1 and 11.1).
func (r pcpRequest) encode() []byte {
	b := []byte{pcpVersion, r.opcode, 0, 0}
	b = binary.BigEndian.AppendUint32(b, r.lifetime)
	b = appendAddr16(b, r.client)
	if r.opcode != pcpMap {
		return b
	}
	b = append(b, r.nonce[:]...)
	b = append(b, protocolTCP, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, r.internal)
	b = binary.BigEndian.AppendUint16(b, r.external.Port())
	suggested := r.external.Addr()
	if !suggested.IsValid() { // any, of the family of the client
		suggested = netip.IPv4Unspecified()
		if r.client.Unmap().Is6() {
			suggested = netip.IPv6Unspecified()
		}
	}
	return appendAddr16(b, suggested)
}

// appendAddr16 appends an address in 16 bytes, an IPv4 one in its IPv6 form (RFC 6887, section 5).
func appendAddr16(b []byte, addr netip.Addr) []byte {
	a := addr.As16()
	return append(b, a[:]...)
}

// A pcpAnswer is what a gateway says by PCP.
type pcpAnswer struct {
	opcode   uint8
	result   uint8
	lifetime uint32 // granted, or how long the refusal stands, in seconds
	epoch    uint32
	nonce    pcpNonce // the rest is that of a mapping, and zero otherwise
	internal uint16
	external netip.AddrPort
}

// parsePCP reads an answer. What cannot be one is errMalformed.
func parsePCP(b []byte) (pcpAnswer, error) {
	if a, ok := parsePCPVersion(b); ok {
		return a, nil
	}
	if len(b) < pcpHeaderLen || len(b) > maxPacket || len(b)%4 != 0 || b[0] != pcpVersion || b[1]&pcpResponse == 0 {
		return pcpAnswer{}, errMalformed
	}
	a := pcpAnswer{
		opcode:   b[1] &^ pcpResponse,
		result:   b[3],
		lifetime: binary.BigEndian.Uint32(b[4:]),
		epoch:    binary.BigEndian.Uint32(b[8:]),
	}
	if a.opcode != pcpMap {
		return a, nil
	}
	if len(b) < pcpHeaderLen+pcpMapLen || b[pcpHeaderLen+12] != protocolTCP {
		return pcpAnswer{}, errMalformed
	}
	payload := b[pcpHeaderLen:]
	copy(a.nonce[:], payload)
	a.internal = binary.BigEndian.Uint16(payload[16:])
	a.external = external(netip.AddrFrom16([16]byte(payload[20:36])), binary.BigEndian.Uint16(payload[18:]))
	return a, nil
}

// parsePCPVersion reads the answer of a gateway that does not speak this version: from one that only knows NAT-PMP it has the form
// of that protocol (RFC 6887, section 9; RFC 6886, section 3.5).
func parsePCPVersion(b []byte) (pcpAnswer, bool) {
	isOther := len(b) >= 8 && b[0] != pcpVersion && b[1]&pcpResponse != 0 && b[3] == pcpUnsupportedVersion
	return pcpAnswer{result: pcpUnsupportedVersion}, isOther
}

// err is the refusal that an answer holds, if it does.
func (a pcpAnswer) err() error {
	switch {
	case a.result == 0:
		return nil
	case a.result == pcpUnsupportedVersion:
		return ErrNotOffered
	}
	return &RefusedError{PCP, int(a.result), pcpResult(a.result)}
}

// pcpResult is what a result code means (RFC 6887, section 7.4).
func pcpResult(code uint8) string {
	names := [...]string{"success", "unsupported version", "not authorized", "malformed request", "unsupported operation",
		"unsupported option", "malformed option", "network failure", "no resources", "unsupported protocol",
		"too many mappings for this host", "the external address or port cannot be provided",
		"another NAT is between this host and the gateway", "too many remote peers"}
	if int(code) < len(names) {
		return names[code]
	}
	return "unknown reason"
}

// A pcpClient keeps a mapping by PCP.
type pcpClient struct {
	link  link
	port  uint16
	nonce pcpNonce
	epoch epoch
	given netip.AddrPort // external; suggested at renewals, so that a gateway that restarted gives the same
}

func newPCPClient(l link, port uint16) *pcpClient {
	c := &pcpClient{link: l, port: port}
	rand.Read(c.nonce[:]) // never fails
	c.given = netip.AddrPortFrom(netip.Addr{}, port)
	return c
}

func (c *pcpClient) protocol() Protocol { return PCP }

// find does nothing: asking for a mapping is how to find out (RFC 6887, section 9).
func (c *pcpClient) find(context.Context) error { return nil }

func (c *pcpClient) mapPort(ctx context.Context, lifetime time.Duration) (Mapping, error) {
	answer, err := c.ask(ctx, seconds(lifetime))
	if err != nil {
		return Mapping{}, err
	}
	if answer.external.Port() == 0 || answer.lifetime == 0 {
		return Mapping{}, fmt.Errorf("%w: a mapping without a port or an end", errMalformed)
	}
	c.epoch.restarted(time.Now(), answer.epoch)
	c.given = answer.external
	return Mapping{Protocol: PCP, External: answer.external, Lifetime: lasts(answer.lifetime)}, nil
}

// ask asks for a mapping, or removes it with a lifetime of 0.
func (c *pcpClient) ask(ctx context.Context, lifetime uint32) (pcpAnswer, error) {
	var answer pcpAnswer
	err := c.link.exchange(ctx, func(local netip.Addr) []byte {
		return pcpRequest{opcode: pcpMap, lifetime: lifetime, client: local, nonce: c.nonce, internal: c.port, external: c.given}.encode()
	}, func(b []byte) (err error) {
		answer, err = parsePCP(b)
		switch {
		case err != nil:
			return err
		case answer.result == pcpUnsupportedVersion:
			return answer.err()
		case answer.opcode != pcpMap || answer.nonce != c.nonce || answer.internal != c.port:
			return errMalformed // to somebody else
		}
		return answer.err()
	})
	return answer, err
}

// check asks for the gateway's epoch (RFC 6887, section 14.1.3).
func (c *pcpClient) check(ctx context.Context) error {
	return c.link.exchange(ctx, func(local netip.Addr) []byte {
		return pcpRequest{opcode: pcpAnnounce, client: local}.encode()
	}, func(b []byte) error {
		answer, err := parsePCP(b)
		switch {
		case err != nil:
			return err
		case answer.result != 0:
			return answer.err()
		case answer.opcode != pcpAnnounce:
			return errMalformed
		case c.epoch.restarted(time.Now(), answer.epoch):
			return errLost
		}
		return nil
	})
}

func (c *pcpClient) unmap(ctx context.Context) error {
	_, err := c.ask(ctx, 0)
	if refused := (*RefusedError)(nil); errors.As(err, &refused) {
		return nil // it is gone, or never was
	}
	return err
}
