// Package line is one reliable byte stream between two nodes that goes on while the connections under it come and go.
//
//	Line      net.Conn: bytes in order, none lost, none twice
//	sender    what was written and not yet acknowledged; what is on the way by which carrier      pure
//	receiver  what has come and was not yet read, in pieces that may have come out of order       pure
//	flight    what is on its way by one carrier, and what of it has come                          pure
//	meter     how fast a carrier brings data, and how much may be on its way by it                pure
//	spread    how many carriers to use at once, by trying                                         pure
//	carriers  authenticated connections, one to a few at a time, given by the line's owner
//
// Every byte of a direction has an offset. Data travels in frames that carry theirs, so it may come by any carrier, twice
// and in any order. The receiver acknowledges the offset up to which it has everything, and says up to which offset it
// will take bytes. The sender keeps what is not acknowledged, remembers by which carrier it went, and sends it again when that
// carrier is lost. docs/protocol.md has the bytes on the wire, the states and the argument why this holds.
//
// A line makes no connections. Its owner opens them, proves the peer, and hands them over: [Line.Attach] at the end that speaks
// first, [Receive] and [Line.Take] at the other. With no carrier left the line is suspended: Read and Write wait, within their
// deadlines, until a carrier comes, the line is closed, or Config.Wait is over.
package line
