package identity

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
)

// The application protocols (ALPN, RFC 7301) of the two kinds of connection. A certificate shown in one is
// of no use in the other, and a Bodkin of another version is told apart before the first frame.
const (
	ServerProtocol = "bodkin/1"       // node to rendezvous server
	PeerProtocol   = "bodkin-peer/1"  // node to node
	RelayProtocol  = "bodkin-relay/1" // node to the server's relay, around what goes on to a peer
)

// Errors of the handshake at the side that found the mistake. The other side learns only that its
// certificate was not liked: a TLS client on its first Read, since in TLS 1.3 its handshake ends first.
var (
	// ErrWrongServer means that another server answers at this address than the invite names.
	ErrWrongServer = errors.New("identity: another server than expected answers at this address")
	// ErrWrongPeer means that another node answered than was dialled.
	ErrWrongPeer = errors.New("identity: another node than expected")
	// ErrWrongRoom means that the right node answered, as a member of another room.
	ErrWrongRoom = errors.New("identity: node is not in this room")
	// ErrWrongProtocol means that the other end does not speak this version of Bodkin.
	ErrWrongProtocol = errors.New("identity: other end speaks another protocol")
)

// errNobody guards against an id that was never set. Zeros happen to be a point of small order on
// the curve, for which anybody can sign.
var errNobody = errors.New("identity: no other end given")

// NodeConfig returns how a node connects to its rendezvous server, as TLS client: it accepts the holder of the
// server's key and nobody else, and shows itself as a member of room.
//
// With a cache, later connections resume the session, which spares the server a third of the work. One cache
// serves any number of servers and rooms; nil means no resumption.
//
// The handshake ends before the server has judged this node. What the server answers to
// the first message, or ErrNoProof's alert on the first Read, tells whether the node was let in.
func NodeConfig(key Key, room Room, server ServerID, cache tls.ClientSessionCache) (*tls.Config, error) {
	return nodeConfig(key, room, server, cache, ServerProtocol)
}

// RelayConfig returns how a node connects to its server's relay, as TLS client, in a network that lets nothing else pass. It hides from
// that network what goes on inside, which is protected by the nodes themselves.
func RelayConfig(key Key, room Room, server ServerID) (*tls.Config, error) {
	return nodeConfig(key, room, server, nil, RelayProtocol)
}

func nodeConfig(key Key, room Room, server ServerID, cache tls.ClientSessionCache, protocol string) (*tls.Config, error) {
	if server.IsZero() {
		return nil, errNobody
	}
	config, err := newConfig(key, room.signer, protocol)
	if err != nil {
		return nil, err
	}
	config.SessionTicketsDisabled = cache == nil
	if cache != nil {
		config.ClientSessionCache = sessionCache{cache, sessionKey(key.NodeID(), room.ID(), server)}
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		subject, _, err := readCertificate(state.PeerCertificates)
		if err != nil {
			return err
		}
		if ServerID(subject) != server {
			return fmt.Errorf("%w: it has %v", ErrWrongServer, ServerID(subject))
		}
		return checkProtocol(state, protocol)
	}
	return config, nil
}

// ServerConfig returns how a rendezvous server accepts nodes. It authenticates and does not admit: the handshake
// succeeds for a member of any room, known here or not, so that the server can answer in words that reach the node. The
// caller asks [Authenticated] after each handshake, resumed ones too, and refuses rooms that it does not serve.
//
// With nil tickets there is no resumption. After tickets change, [TicketKeys.Apply] hands them to the Config in use.
func ServerConfig(key Key, tickets *TicketKeys) (*tls.Config, error) {
	return serverConfig(key, tickets, ServerProtocol)
}

// RelayServerConfig returns how a server accepts what nodes make with [RelayConfig]. The tokens that come inside say who may be relayed.
func RelayServerConfig(key Key) (*tls.Config, error) { return serverConfig(key, nil, RelayProtocol) }

func serverConfig(key Key, tickets *TicketKeys, protocol string) (*tls.Config, error) {
	config, err := newConfig(key, key.private, protocol)
	if err != nil {
		return nil, err
	}
	config.SessionTicketsDisabled = tickets == nil
	if tickets != nil {
		tickets.Apply(config)
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if _, _, err := Authenticated(state); err != nil {
			return err
		}
		return checkProtocol(state, protocol)
	}
	return config, nil
}

// PeerConfig returns how a node connects to the node peer, as TLS client or as TLS server: both must be
// members of room. Sessions are never resumed, since nothing but a fresh handshake shows that the
// other end still is who it was, and peers have CPU to spare.
func PeerConfig(key Key, room Room, peer NodeID) (*tls.Config, error) {
	if peer.IsZero() {
		return nil, errNobody
	}
	return betweenNodes(key, room, func(id NodeID) error {
		if id != peer {
			return fmt.Errorf("%w: it is %v", ErrWrongPeer, id)
		}
		return nil
	})
}

// betweenNodes returns how a node connects to another member of room that is who it has to be.
func betweenNodes(key Key, room Room, check func(id NodeID) error) (*tls.Config, error) {
	config, err := newConfig(key, room.signer, PeerProtocol)
	if err != nil {
		return nil, err
	}
	config.SessionTicketsDisabled = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		id, in, err := Authenticated(state)
		if err != nil {
			return err
		}
		if err := check(id); err != nil {
			return err
		}
		if in != room.ID() {
			return ErrWrongRoom
		}
		return checkProtocol(state, PeerProtocol)
	}
	return config, nil
}

// newConfig returns what all configurations share. The key exchange is Go's default, X25519MLKEM768.
func newConfig(key Key, issuer ed25519.PrivateKey, protocol string) (*tls.Config, error) {
	cert, err := newCertificate(key, issuer)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates:       []tls.Certificate{cert},
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{protocol},
		ClientAuth:         tls.RequireAnyClientCert, // judged by VerifyConnection, as the server's is:
		InsecureSkipVerify: true,                     // keys are pinned, not looked up by name
	}, nil
}

// checkProtocol refuses a connection without ALPN, which crypto/tls lets pass.
func checkProtocol(state tls.ConnectionState, want string) error {
	if state.NegotiatedProtocol != want {
		return fmt.Errorf("%w (%q in place of %q)", ErrWrongProtocol, state.NegotiatedProtocol, want)
	}
	return nil
}

// A sessionCache keeps the sessions of one node, room and server apart from others in the same cache. A session
// carries who it was made for, so one made for another room would enter that room, not this one.
// It goes by the server's key and not, as crypto/tls would, by the address: a session is good at all addresses of the server.
type sessionCache struct {
	tls.ClientSessionCache
	key string
}

func (c sessionCache) Get(string) (*tls.ClientSessionState, bool) {
	return c.ClientSessionCache.Get(c.key)
}

func (c sessionCache) Put(_ string, session *tls.ClientSessionState) {
	c.ClientSessionCache.Put(c.key, session)
}

func sessionKey(node NodeID, room RoomID, server ServerID) string {
	return string(node[:]) + string(room[:]) + string(server[:])
}
