// Package transfer carries files and directories over a net.Conn: [Send] at one end, [Receiver.Receive] at the other. It needs
// of the connection that it keeps bytes in order and, since content is verified but nobody is authenticated here, that
// the other end is the one that is meant.
//
// What arrives is either all there, verified, under its own name, or not there: everything is collected in one hidden
// directory beside the place where it will be, which [Received] names, and moved at the end. A transfer that was cut off goes on
// from what is in that directory. Nothing there is believed: both sides hash it (BLAKE3), and what is not equal is sent
// again.
//
// # The bytes
//
// The sender speaks first. Everything is a frame: a byte for its kind, three for the length of its body, big-endian, and the
// body. Numbers in bodies are uvarints, texts a number and as many bytes.
//
//	sender → receiver                             receiver → sender
//	offer    version, totals, names
//	entries  a batch: kind, parent, name, mode,
//	         time, size or link target ...
//	listed   no more entries
//	                                              have    a batch: entry, size ... of what an earlier run left
//	                                              go      no more of these; the sender need not wait for proofs
//	                                              proof   a batch: entry, hash of what is there ...
//	file     entry, offset                        (where it goes on: at what is there, or at 0)
//	data     up to 256 KiB
//	end      hash of the whole file
//	sent     no more files
//	                                              done    everything is under its own name
//	failed   code, words                          failed  code, words
//
// A new transfer costs one round trip before the first byte of content and one at the end, however many files there are.
//
// An entry names its directory by the number of an earlier entry, and itself by one path element. So a path cannot lead
// outside, or through a symbolic link, and there are none to be cleaned.
package transfer
