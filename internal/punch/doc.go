// Package punch opens one verified TCP connection between two nodes that may both be behind NATs, by simultaneous open
// (RFC 9293, section 3.5) over the candidates of an introduction.
//
//	         S  introduction: attempt id, role, remotes, delay        S  next round, after a reported failure
//	         |                                                        |
//	Run ─ round 1 ─ dial every remote at once ─┬─ refused: report ────┴─ round 2: dial again what failed
//	                                           ├─ silence: leave it, the kernel repeats the SYN
//	                                           └─ open ─ preface ─ verify ─┬─ not the peer: close, go on
//	    Acceptor ─ preface names the attempt ──── open ───────────────────┘ └─ first verified: nominate, then close the rest
//
// # What is never done
//
// A socket that has not failed is neither closed nor dialled again, in no round and by no timer. It may be half of a
// connection that the other side already holds for open: Linux turns a close in SYN_RECV into FIN_WAIT_1, keeps the
// 4-tuple busy for a minute, and the peer sees a connection that opens and dies. Measured at a round trip of 50 ms, dialling
// again every 20 or 40 ms connected 0 of 5 times, and without it nothing behind dropping NATs ever failed. For the
// same reason the other sockets are closed only after one connection is nominated.
//
// The two sides never both reset a connection: resets that cross leave Linux routers with a dead entry that no new SYN
// opens, and the same two ports could not meet again for minutes. The dialer resets, the callee closes in order. Whoever
// carries on with [Result.Conn] is to end it by the same rule.
//
// # Who decides
//
// Both sides verify what opened, the dialer alone nominates: it takes the first verified connection and says so on it.
// The callee takes the connection on which it reads that. So the two never keep different connections. Roles come from
// the introduction, never from who called connect: in a simultaneous open both did.
//
// The decisions are in one machine without I/O and clock (machine.go); Run is the thin shell around it.
//
// Selecting candidates, starting rounds and carrying a session are outside this package.
package punch
