// Package rounds plans an attempt: how two nodes start, in up to three rounds, from what is known of the networks in front of them. It
// is pure. The server uses it for when each side starts, a node for what it dials, and both come to the same plan because both
// have the same two reports.
//
//	the two networks                                              round 1       rounds 2 and 3
//	one lets strangers in, or neither maps by endpoint            crossing      on failure crossing again, on silence staggered from new ports
//	one maps by endpoint: by a counter                            prediction    prediction, from a new sample
//	one maps by endpoint: in a known block of ports               prediction    crossing
//	one maps by endpoint: at random; both allow a search          search
//	both map by endpoint: by counters                             prediction    prediction, from new samples
//	all else                                                      crossing      (no way is known; the relay)
//
// What is not known counts as what may be: the plan then begins as if nobody mapped by endpoint, and goes on with what the rest of the
// report allows.
package rounds
