// Package mux compares stream multiplexers on the questions that decide between them for Bodkin: speed at a distance,
// memory, half-close, and what a peer costs that does not read. It is a module of its own, so that the losers are no
// dependencies of the product. docs/decisions/0035 has the numbers.
//
//	go test -run . -v          the table of behaviours and memory
//	go test -run - -bench .    throughput, latency beside bulk, allocations
package mux
