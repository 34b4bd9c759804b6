// Package identity says who is who: keys and their text forms, rooms and
// invites, and the TLS configurations that prove all of it in one handshake.
//
// A node, a server and a room are each an Ed25519 public key. A room is a small
// certificate authority whose private key every member can derive:
//
//	16-byte room secret --HKDF--> room key (Ed25519)   its public half is the room id
//	                              profile key          seals what the server must not read
//	                              name key             turns names into tags
//
// A node's certificate carries the node's key and is signed by the room's key,
// so a mutual TLS 1.3 handshake proves "I am this node" and "I know this room's
// secret" at once: to the rendezvous server, which knows room ids but no secrets, and to peers.
//
// Whether a room is served, and what a node may do, is not decided here.
package identity

// Text forms are bech32m (BIP 350): a prefix that says what it is, the separator "1",
// the data in 32 characters without 1, b, i and o, and a checksum of six.
const (
	nodePrefix   = "node"
	serverPrefix = "server"
	roomPrefix   = "room"
	invitePrefix = "bodkin"
	secretPrefix = "bodkin-secret-key-"
)

// A kind is what a text of ours can be.
type kind struct {
	prefix string
	name   string // as told to people
	a      string // the name with its article
	typo   error  // what errors.Is finds in an error about a mistyped one
}

// kinds lists every text form, so that one pasted in place of another is told as such.
func kinds() []kind {
	return []kind{
		{nodePrefix, "node id", "a node id", ErrIDChecksum},
		{serverPrefix, "server id", "a server id", ErrIDChecksum},
		{roomPrefix, "room id", "a room id", ErrIDChecksum},
		{invitePrefix, "invite", "an invite", ErrInviteChecksum},
		{secretPrefix, "secret key", "a secret key", ErrKeyDamaged},
	}
}

func kindOf(prefix string) kind {
	for _, k := range kinds() {
		if k.prefix == prefix {
			return k
		}
	}
	return kind{prefix, prefix, prefix, ErrIDChecksum}
}
