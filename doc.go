// Package bodkin gives two machines behind NATs a direct TCP connection.
//
// A small public server introduces them; the bytes do not pass through it, and what is connected stays connected when the
// server goes. What you get is a [net.Conn] and a [net.Listener], so net/http, gRPC, ssh and the like run over it unchanged.
//
// # Start
//
// Somebody runs the server, on a machine that all can reach: the command "bodkin server", or package server. It prints an
// invite. Nodes that hold the same invite share a room, in which they see each other and may connect:
//
//	invite, err := bodkin.ParseInvite("bodkin1...")
//	node, err := bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ada"})
//	defer node.Close()
//
// On one machine listen, on the other dial. A service is a name that a node listens on, as a port is a number:
//
//	listener, err := node.Listen("web")          // on ben
//	conn, err := node.Dial(ctx, "ben", "web")    // on ada
//
// The examples below are whole programs, with a server on the same machine. There are others in the folder examples.
//
// # Node, session, stream
//
// A [Node] is this machine in a room; a program has one. Between two nodes there is at most one session that stays, made at the first
// [Node.Dial] and kept while it is used. A [Conn] is one stream in it. Streams are cheap: open one for each request if you like;
// a thousand of them share the session's connection, and one that nobody reads does not hold up the others.
//
// A session outlives its connections. When one breaks, or the machine changes networks, the nodes are introduced again and each
// stream goes on where it was, no byte lost or repeated; meanwhile Read and Write wait, for [Config.PathWait] at most.
// A [Path] is how the bytes travel now: direct, or relayed by the server, which sees nothing but ciphertext. [Conn.Path] tells,
// [Config.Relay] decides, and [Node.Watch] tells when it changes.
//
// # What to read
//
//   - To join: [Config], [Join], [Invite], [Key] and [LoadOrCreateKey], to be the same node each time.
//   - To connect: [Node.Dial], [Node.Listen], [Conn], [Listener], [Node.Ping].
//   - Who is there: [Node.Peers], [Node.Watch], [Peer], [Event].
//   - What goes on: [Conn.Stats], [Node.Status], and [Node.Diagnose] of the network in front of this machine.
//
// Errors that a program decides on are variables, for errors.Is: [ErrPeerUnavailable], [ErrServerUnreachable], [ErrRefused],
// [ErrNoDirectPath], [ErrServiceUnknown]. Behind some there is a type with everything that was tried: [PathError],
// [UnreachableError], [RefusedError].
//
// Beside this package, transfer sends files and directories over any stream, forward joins streams with sockets, and natlab
// plays hosts and NATs for tests.
//
// # How it connects
//
// A node takes one local TCP port. Its connection to the server, its listener and every dial share that port, so the
// address the server sees is the address a peer can reach. A dial asks the server for an introduction; both nodes then
// connect to each other at the same time (TCP simultaneous open, RFC 9293, section 3.5), prove by mutual TLS 1.3 who they
// are, and keep the first connection that is proven. Where nothing direct opens in time the server relays the nodes' encrypted
// bytes. docs/protocol.md tells it byte by byte.
//
// # Keys and trust
//
// A node is its Ed25519 key, and a [NodeID] is the public half. A room is a secret of 16 bytes, which the invite holds; whoever
// has the invite is in the room. The [Conn.Peer] of a stream is proven before its first byte arrives. The server learns node ids,
// addresses and who dials whom, and no content. Names travel sealed with the room's secret; to be independent of who
// holds that secret, dial by id.
//
// # Stability
//
// The module is at version 0. docs/stability.md says which parts of it may still change, and how nodes of different versions get on.
package bodkin
