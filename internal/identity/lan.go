package identity

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
)

// BeaconOverhead is how many bytes [Room.SealBeacon] adds: a node id, a nonce of 12 and a tag of 16.
const BeaconOverhead = len(NodeID{}) + SealOverhead

// ErrBeacon means that a beacon is damaged, or of another room.
var ErrBeacon = errors.New("identity: not a beacon of this room")

// SealBeacon encrypts what the node id tells members of the room who are near, together with the id: unlike with [Room.Seal] the
// reader does not know whose words they are. It differs each time, so that nobody else can tell two beacons of a node, or of a room,
// from two of others. It proves that a member wrote it, and not when.
func (r Room) SealBeacon(id NodeID, plain []byte) []byte {
	return r.beacons().Seal(nil, nil, append(id[:], plain...), nil)
}

// OpenBeacon undoes [Room.SealBeacon]. It returns ErrBeacon for anything else.
func (r Room) OpenBeacon(sealed []byte) (NodeID, []byte, error) {
	plain, err := r.beacons().Open(nil, nil, sealed, nil)
	if err != nil || len(plain) < len(NodeID{}) {
		return NodeID{}, nil, ErrBeacon
	}
	return NodeID(plain), plain[len(NodeID{}):], nil
}

// beacons returns AES-256-GCM with random nonces. All nodes share the key: 2^32 beacons, the limit of NIST SP 800-38D, 8.3, are those of
// 1000 nodes in 80 years, at one in 10 minutes each.
func (r Room) beacons() cipher.AEAD { return newSealer(derive(r.secret[:], "beacons")) }

// LocalAttempt returns an id for an attempt to connect to callee that no server introduces: 8 random bytes, and 8 by which callee
// knows that a member of the room made it.
func (r Room) LocalAttempt(callee NodeID) [16]byte {
	var id [16]byte
	rand.Read(id[:8]) // never fails
	copy(id[8:], r.localMark(id[:8], callee))
	return id
}

// IsLocalAttempt tells whether a member of the room made the id by [Room.LocalAttempt] for callee.
func (r Room) IsLocalAttempt(id [16]byte, callee NodeID) bool {
	return subtle.ConstantTimeCompare(id[8:], r.localMark(id[:8], callee)) == 1
}

func (r Room) localMark(nonce []byte, callee NodeID) []byte {
	mac := hmac.New(sha256.New, derive(r.secret[:], "local attempts"))
	mac.Write(nonce)
	mac.Write(callee[:])
	return mac.Sum(nil)[:8]
}

// MemberConfig returns how a node accepts a connection, as TLS server, from any other member of room. [Authenticated] tells which.
func MemberConfig(key Key, room Room) (*tls.Config, error) {
	return betweenNodes(key, room, func(id NodeID) error {
		if id == key.NodeID() {
			return ErrWrongPeer // itself
		}
		return nil
	})
}
