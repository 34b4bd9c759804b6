// Package relay carries bytes between two nodes that have no direct path in time. Each opens a connection to the server's
// main port and names the attempt; the server joins the two and copies what comes, which is the nodes' own TLS from end to
// end: it sees neither content nor keys.
//
//	node A                         S                         node B
//	  RelayHello{attempt, token} ->                                         and goes on with its first bytes at once
//	                                 <- RelayHello{attempt, token}
//	                             <- READY ->
//	  bytes                     <-- copied -->                  bytes       in the kernel where there is splice(2)
//
// # What it costs
//
// A token is sealed by the server and holds what it says, so nothing is kept for those that are never used. A connection
// without a good token is closed; one whose peer has not come is a socket and a timer, without a goroutine, and what
// its node has sent meanwhile stays in the kernel. A joined pair is two goroutines. [Limits] bounds all of it, for each node and
// each room, and who meets a limit is told which.
//
// The client's part is [Enter]. Who may have a token, and how the nodes hear of an end, is the business of the
// rendezvous server, which is joined to this package by functions.
package relay
