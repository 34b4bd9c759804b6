// Package session carries streams between two nodes over one line.
//
//	Session   Open, Accept, Ping, Close          service names, limits, errors
//	Stream    net.Conn, CloseWrite, Refuse
//	turns     whose bytes go next                 pure
//	window    what a stream's peer may send       pure
//	queue     what has come and was not read
//	--------------------------------------------------------------------------------------
//	line      one byte stream over connections that come and go: package line
//
// A session is the [line.Layer] of its line: one mutex guards both, frames are written into the memory that the line's carriers send from, and
// what has come is given to readers where the line has put it. A byte is copied once on either side, and passes from one goroutine to
// another once. docs/protocol.md, section 5, has the frames, and docs/decisions/0159 why there is no multiplexer of somebody else's.
//
// It knows nothing of NATs, candidates or keys: whoever gave the line its carriers has verified the peer. The line notices dead paths and
// decides how long a session waits for another.
//
// # Order and fairness
//
// Writers put frames into the line in turns, of 64 KiB in one piece or several. Words beside data (opens, credit, ends, resets) have room of their own in front of
// waiting writers. A stream whose peer does not read takes no turns, and holds up nobody.
//
// # Limits
//
// A peer can make a session hold Config.MaxStreams streams of 256 KiB, Config.Buffer for windows that grew, half as much for memory in which
// unread bytes lie, and 4 KiB for each stream. It may have opened 256 streams of which it has not taken the answer. Towards the peer, the line's
// limits hold, and the words that each stream has still to say.
package session
