// Package session carries streams between two nodes over one authenticated carrier.
//
//	Session   Open, Accept, Ping, Close          service names, limits, errors: this package
//	Stream    net.Conn, CloseWrite, Refuse
//	--------------------------------------------------------------------------------------
//	yamux     frames, windows that grow, ping     github.com/libp2p/go-yamux/v5
//	--------------------------------------------------------------------------------------
//	carrier   net.Conn: reliable, in order, authenticated and encrypted; a line.Line, for one that outlives its connections
//
// It knows nothing of NATs, candidates or keys: whoever makes the carrier has verified the peer.
//
// # The seam for changing carriers
//
// A carrier is a [net.Conn] of which the session uses Read and Write (each from one goroutine, both at once), Close
// (which must unblock them), SetWriteDeadline and the addresses. Nothing in this package knows that it is TCP. A byte
// stream that goes on over changing connections is therefore put below it by passing it to [New]; callers of Session
// and Stream stay as they are. Such a carrier cares for its paths itself, so its user sets Config.KeepAlive to a negative
// value and Config.Timeout to how long a session may wait for a path.
//
// # On the wire
//
// The multiplexer's frames are those of the yamux specification, with go-yamux's error code in the reset frame.
// The first message on a stream is wire.StreamOpen with the name of a service. The opener may write behind it at once.
// The acceptor sends wire.StreamAnswer before its own first byte: "accepted" in front of its data, or a refusal, which
// it follows by the end of the stream and a reset. A stream that ends without an answer was accepted and said nothing.
//
// Reset codes: 1 the stream is closed and what comes is not read (what the closer wrote before is kept: the end of the
// stream goes in front), 2 aborted, 3 the peer broke the protocol, 16 + n refused with wire.StreamAnswer code n.
//
// A stream that begins with an empty message is the goodbye: the opener closes the session. All that it wrote before
// has arrived by then. The receiver makes the streams that came before it ready to be accepted, and closes the carrier.
//
// # Limits
//
// A peer can make a session hold Config.MaxStreams streams of 2 MiB, and Config.Buffer for windows that grew. Unread
// data can cost more than its bytes if it came in tiny frames: 24 bytes and an allocation for each. Towards the peer, 64
// frames of 16 KiB are queued.
package session
