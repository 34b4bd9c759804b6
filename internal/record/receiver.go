package record

import (
	"crypto/cipher"
	"fmt"
	"io"
)

// maxIdleRecords bounds the records without data in a row, each of which costs a decryption. crypto/tls has the same bound.
const maxIdleRecords = 16

// A Receiver opens one direction of a connection. It is not safe for concurrent use. Between records it holds no buffer;
// inside a record it holds what has come of it, at most 16 KiB.
type Receiver struct {
	keys    keys
	partial []byte // the beginning of a record whose rest has not come yet, or nil
	idle    uint8  // records without data since the last with
}

// An AlertError is the alert with which the other end gave up (RFC 8446, section 6.2).
type AlertError uint8

func (e AlertError) Error() string {
	return fmt.Sprintf("record: other end sent TLS alert %d", uint8(e))
}

// Receive takes the next bytes from the network. It calls data with the content of each record that they complete, and updateAsked
// when the other end asks for new keys in the other direction: [Sender.UpdateKeys] has to come before anything else is sent (RFC
// 8446, section 4.6.3). It overwrites b; what data gets is good until data returns.
//
// It stops at the first error: io.EOF when the other end closed in order, an AlertError when it gave up, ErrBroken when these
// are no records of this connection, or data's own. After any error the connection cannot go on.
func (r *Receiver) Receive(b []byte, data func([]byte) error, updateAsked func()) error {
	var aead cipher.AEAD
	for {
		record, rest, err := r.next(b)
		if record == nil || err != nil {
			return err
		}
		b = rest
		if aead == nil {
			if aead, err = r.keys.aead(); err != nil {
				return err
			}
		}
		kind, payload, err := r.keys.open(aead, record)
		if err != nil {
			return err
		}
		if kind == typeApplication && len(payload) > 0 {
			r.idle = 0
			if err := data(payload); err != nil {
				return err
			}
			continue
		}
		if r.idle++; r.idle > maxIdleRecords {
			return broken("%d records without data", r.idle)
		}
		switch kind {
		case typeApplication:
		case typeHandshake:
			asked, err := r.handshake(payload)
			if err != nil {
				return err
			}
			if asked {
				updateAsked()
			}
			aead = nil // the key is another now
		case typeAlert:
			if err := alert(payload); err != nil {
				return err
			}
		default:
			return broken("content type %d", kind)
		}
	}
}

// next cuts one whole record from what has come: partial, then b. It returns no record when there is none, and has then kept b.
func (r *Receiver) next(b []byte) (record, rest []byte, err error) {
	if len(r.partial) == 0 {
		if len(b) >= headerLen {
			n, err := length(b)
			if err != nil {
				return nil, nil, err
			}
			if len(b) >= n {
				return b[:n], b[n:], nil
			}
		}
		if len(b) > 0 {
			r.partial = append([]byte(nil), b...)
		}
		return nil, nil, nil
	}
	want := headerLen
	for {
		if len(r.partial) >= headerLen {
			if want, err = length(r.partial); err != nil {
				return nil, nil, err
			}
		}
		n := min(want-len(r.partial), len(b))
		r.partial = append(r.partial, b[:n]...)
		b = b[n:]
		switch {
		case len(r.partial) < want:
			return nil, nil, nil
		case want > headerLen: // no record is only a header
			record, r.partial = r.partial, nil
			return record, b, nil
		}
	}
}

// handshake takes the only message that is due after the handshake, a key update. It ends its record, since what follows
// it has another key (RFC 8446, section 5.1), and comes in one piece from every implementation, being 5 bytes.
func (r *Receiver) handshake(payload []byte) (asked bool, err error) {
	if len(payload) != len(keyUpdate) || string(payload[:4]) != keyUpdate[:4] || payload[4] > 1 {
		return false, broken("handshake message % .8x after the handshake", payload)
	}
	return payload[4] == 1, r.keys.update()
}

func alert(payload []byte) error {
	const closeNotify, userCanceled = 0, 90
	switch {
	case len(payload) != 2:
		return broken("alert of %d bytes", len(payload))
	case payload[1] == closeNotify:
		return io.EOF
	case payload[1] == userCanceled:
		return nil // only announces a close_notify
	}
	return AlertError(payload[1])
}
