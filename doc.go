// Package bodkin gives two machines behind NATs a direct TCP connection.
//
// A small public server introduces them; the bytes do not pass through it, and sessions go on when it goes. Nodes that
// hold the same invite share a room, in which they see each other and may connect:
//
//	invite, err := bodkin.ParseInvite("bodkin1...")
//	node, err := bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: "ada"})
//
// On one machine listen, on the other dial. Both ends are ordinary net.Listeners and net.Conns, so net/http, ssh and
// the like run over them:
//
//	listener, err := node.Listen("web")          // on ben
//	conn, err := node.Dial(ctx, "ben", "web")    // on ada
//
// # How it connects
//
// A node takes one local TCP port. Its connection to the server, its listener and every dial share that port, so the
// address the server sees is the address a peer can reach. A dial asks the server for an introduction; both nodes then
// connect to each other at the same time (TCP simultaneous open, RFC 9293, section 3.5), prove by mutual TLS 1.3 who they
// are, and keep the first connection that is proven. docs/protocol.md tells it byte by byte.
//
// Where nothing direct opens in time the server relays the nodes' encrypted bytes; [Conn.Path] tells, and [Config.Relay] decides.
//
// # Keys and trust
//
// A node is its Ed25519 key. A room is a secret of 16 bytes, which the invite holds; whoever has the invite is in the room.
// The server learns node ids, addresses and who dials whom, and no content. Names travel sealed with the room's secret; to
// be independent of who holds that secret, dial by id.
package bodkin
