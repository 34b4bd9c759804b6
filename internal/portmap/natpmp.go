package portmap

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

const (
	natpmpAddress  = 0 // opcodes
	natpmpMapTCP   = 2
	natpmpResponse = 128

	natpmpHeaderLen  = 8
	natpmpAddressLen = 12
	natpmpMapLen     = 16
)

// A natpmpAnswer is what a gateway says by NAT-PMP (RFC 6886, sections 3.2 and 3.3).
type natpmpAnswer struct {
	opcode   uint8
	result   uint16
	epoch    uint32
	addr     netip.Addr // answers natpmpAddress
	internal uint16     // these answer natpmpMapTCP
	external uint16
	lifetime uint32 // seconds
}

// encodeNATPMP returns a request: for the external address, or for a mapping.
func encodeNATPMP(opcode uint8, internal, suggested uint16, lifetime uint32) []byte {
	b := []byte{0, opcode}
	if opcode == natpmpAddress {
		return b
	}
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, internal)
	b = binary.BigEndian.AppendUint16(b, suggested)
	return binary.BigEndian.AppendUint32(b, lifetime)
}

// parseNATPMP reads an answer. What cannot be one is errMalformed. With a refusal only opcode, result and epoch are set.
func parseNATPMP(b []byte) (natpmpAnswer, error) {
	if len(b) < natpmpHeaderLen || b[0] != 0 || b[1] < natpmpResponse {
		return natpmpAnswer{}, errMalformed
	}
	a := natpmpAnswer{opcode: b[1] - natpmpResponse, result: binary.BigEndian.Uint16(b[2:]), epoch: binary.BigEndian.Uint32(b[4:])}
	switch {
	case a.result != 0:
		return a, nil
	case a.opcode == natpmpAddress && len(b) == natpmpAddressLen:
		a.addr = netip.AddrFrom4([4]byte(b[8:12]))
		return a, nil
	case a.opcode == natpmpMapTCP && len(b) == natpmpMapLen:
		a.internal, a.external = binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
		a.lifetime = binary.BigEndian.Uint32(b[12:])
		return a, nil
	}
	return natpmpAnswer{}, errMalformed
}

// err is the refusal that an answer holds, if it does (RFC 6886, section 3.5).
func (a natpmpAnswer) err() error {
	switch a.result {
	case 0:
		return nil
	case 1:
		return ErrNotOffered
	case 2:
		return &RefusedError{NATPMP, 2, "not authorized"}
	case 3:
		return &RefusedError{NATPMP, 3, "the gateway itself has no address"}
	case 4:
		return &RefusedError{NATPMP, 4, "no resources"}
	case 5:
		return ErrNotOffered
	}
	return &RefusedError{NATPMP, int(a.result), "unknown reason"}
}

// A natpmpClient keeps a mapping by NAT-PMP.
type natpmpClient struct {
	link  link
	port  uint16
	epoch epoch
	addr  netip.Addr // external
	given uint16     // external port; zero: none yet
}

func (c *natpmpClient) protocol() Protocol { return NATPMP }

// find asks for the external address, which tells an answer from a gateway that would take a mapping for granted.
func (c *natpmpClient) find(ctx context.Context) error {
	answer, err := c.ask(ctx, natpmpAddress, 0, 0)
	if err != nil {
		return err
	}
	c.addr = answer.addr
	c.epoch.restarted(time.Now(), answer.epoch)
	return nil
}

func (c *natpmpClient) mapPort(ctx context.Context, lifetime time.Duration) (Mapping, error) {
	suggested := c.given
	if suggested == 0 {
		suggested = c.port
	}
	answer, err := c.ask(ctx, natpmpMapTCP, suggested, seconds(lifetime))
	if err != nil {
		return Mapping{}, err
	}
	if answer.external == 0 || answer.lifetime == 0 {
		return Mapping{}, fmt.Errorf("%w: a mapping without a port or an end", errMalformed)
	}
	c.given = answer.external
	c.epoch.restarted(time.Now(), answer.epoch)
	return Mapping{Protocol: NATPMP, External: external(c.addr, answer.external), Lifetime: lasts(answer.lifetime)}, nil
}

// check compares the external address and the epoch.
func (c *natpmpClient) check(ctx context.Context) error {
	answer, err := c.ask(ctx, natpmpAddress, 0, 0)
	if err != nil {
		return err
	}
	restarted, other := c.epoch.restarted(time.Now(), answer.epoch), answer.addr != c.addr
	c.addr = answer.addr
	if restarted || other {
		return errLost
	}
	return nil
}

func (c *natpmpClient) unmap(ctx context.Context) error {
	_, err := c.ask(ctx, natpmpMapTCP, 0, 0) // RFC 6886, section 3.4
	return err
}

func (c *natpmpClient) ask(ctx context.Context, opcode uint8, suggested uint16, lifetime uint32) (natpmpAnswer, error) {
	var answer natpmpAnswer
	err := c.link.exchange(ctx, func(netip.Addr) []byte {
		return encodeNATPMP(opcode, c.port, suggested, lifetime)
	}, func(b []byte) (err error) {
		answer, err = parseNATPMP(b)
		switch {
		case err != nil:
			return err
		case answer.opcode != opcode || answer.result == 0 && opcode == natpmpMapTCP && answer.internal != c.port:
			return errMalformed // to something else
		}
		return answer.err()
	})
	return answer, err
}
