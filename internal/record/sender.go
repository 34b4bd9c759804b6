package record

import "crypto/cipher"

// rekeyAfter is how many records one key seals: AES-GCM stays safe for 2^24.5 full ones (RFC 8446, section 5.5).
const rekeyAfter = 1 << 24

// keyUpdate is the handshake message of RFC 8446, section 4.6.3, without a request for one in return.
const keyUpdate = "\x18\x00\x00\x01\x00"

// A Sender seals one direction of a connection. It is not safe for concurrent use, and what it returns has to be
// sent in the order in which it was returned.
type Sender struct{ keys keys }

// Seal appends to dst the records that carry data, and returns the extended slice.
func (s *Sender) Seal(dst, data []byte) ([]byte, error) {
	if s.keys.sequence >= rekeyAfter {
		var err error
		if dst, err = s.UpdateKeys(dst); err != nil {
			return dst, err
		}
	}
	aead, err := s.keys.aead()
	if err != nil {
		return dst, err
	}
	scratch := new(nonce)
	for len(data) > 0 {
		n := min(len(data), maxPlaintext)
		dst = s.keys.seal(dst, aead, scratch, typeApplication, data[:n])
		data = data[n:]
	}
	return dst, nil
}

// UpdateKeys appends the record that tells of new keys, and goes on to them. It is the due answer when a
// [Receiver] reports that the other end asked for it.
func (s *Sender) UpdateKeys(dst []byte) ([]byte, error) {
	dst, err := s.control(dst, typeHandshake, []byte(keyUpdate))
	if err != nil {
		return dst, err
	}
	return dst, s.keys.update()
}

// CloseNotify appends the alert that says that no more data follows. Nothing may be sealed after it.
func (s *Sender) CloseNotify(dst []byte) ([]byte, error) {
	const warning, closeNotify = 1, 0
	return s.control(dst, typeAlert, []byte{warning, closeNotify})
}

func (s *Sender) control(dst []byte, kind byte, payload []byte) ([]byte, error) {
	var aead cipher.AEAD
	aead, err := s.keys.aead()
	if err != nil {
		return dst, err
	}
	return s.keys.seal(dst, aead, new(nonce), kind, payload), nil
}
