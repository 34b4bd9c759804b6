// Package memnet is a network of TCP connections in memory, for tests that play days in seconds: its time is that of a testing/synctest
// bubble. Hosts have one address each, which may change. Connections open by simultaneous open or at a listener, their bytes take time,
// and they die as real ones do: by a reset, in order, or by silence that nobody is told of.
//
// There are no packets: no loss, no congestion, no limit to what is on the way. A guarded host is as behind a NAT that keeps ports: it can be
// connected to only from where it is connecting to itself.
package memnet
