// Package mux compares stream multiplexers on the questions that decide between them for Bodkin: speed at a distance,
// memory, half-close, and what a peer costs that does not read. It is a module of its own, so that the losers are no
// dependencies of the product. docs/decisions/0035 has the numbers.
//
//	go test -v .                             share of the line, latency beside bulk, behaviours, memory
//	go test -run - -bench . -benchtime 3x .  speed, fairness, allocations
package mux
