// Package pairing lets two nodes of a room make sure, by a short code of words, that their users talk to each other: one
// reads the code aloud, the other types it.
//
// A code, 42-apple-river, is a number by which the node that offers is found, and two words that are the secret: 22 bits. Whoever
// guesses them has one try: a wrong one uses the code up. That a try tells nothing but right or wrong, neither side and nobody
// between, is the work of a password-authenticated key exchange: OPAQUE (RFC 9807, here its draft 10), in which the one that offers the code is
// the server with one user, whom it has registered itself. The ids of both nodes are its identities, and both have
// been proven by the connection: so a node of the room that passes everything on between the two makes it fail.
//
// The bytes, over a stream: the receiver sends KE1, the sender KE2, the receiver KE3, each of the one size it has, and the
// sender the byte 1.
package pairing
