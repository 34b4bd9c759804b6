// Transfer measures bodkin send and receive beside croc, scp and rsync over the same path, and kills them at random moments.
//
//	go run ./bench/transfer                             256 MiB, and 2,000 files of 1 KiB: three rounds, one tool after the other
//	go run ./bench/transfer -size 2048 -files 20000     2 GiB and 20,000 files
//	go run ./bench/transfer -only bodkin,croc           two of the tools
//	go run ./bench/transfer -same                       both on one host, so that the path is the kernel's loopback
//	go run ./bench/transfer -kills 20                   instead: kill -9 of either side, 20 times in one transfer
//	go run ./bench/transfer -connections 10000          instead: forwarded connections, and what both processes hold before and after
//
// Hosts are natlab's, so it needs Linux but no root for bodkin and croc; sshd needs root. A tool that is not there is left out, and said so.
// croc is built from bench/croc. The tools take turns, so that what else the machine does hits all alike.
//
// # What is timed
//
// bodkin: from the start of bodkin send until it has ended, with bodkin receive waiting. scp and rsync: the whole command, sshd waiting.
// croc: from the start of the receiving croc until both have ended; the sending one has hashed its files, and with --zip made one
// file of them, and waits. It runs without compression, and its receiver is told the sender's address, so that it goes there directly
// and not by a relay. ssh uses AES-GCM, and nothing is compressed.
//
// CPU is the time that processors worked for both sides, of which the sending croc's includes its hashing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/bodkin-p2p/bodkin/bench"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// options are the command line's.
type options struct {
	size, files, rounds int
	same                bool
	only                string
	kills, connections  int
}

func main() {
	var o options
	flag.IntVar(&o.size, "size", 256, "MiB of the large file")
	flag.IntVar(&o.files, "files", 2000, "small files, of 1 KiB each")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds, in each of which every tool has a turn")
	flag.BoolVar(&o.same, "same", false, "both sides on one host")
	flag.StringVar(&o.only, "only", "", "tools to measure, as bodkin,croc,scp,rsync; empty: all")
	flag.IntVar(&o.kills, "kills", 0, "instead of measuring, kill -9 of either side, so many times in one transfer")
	flag.IntVar(&o.connections, "connections", 0, "instead of measuring, open and close so many forwarded connections, and count what both processes hold")
	flag.Parse()
	bench.Main("transfer", func(ctx context.Context) error { return run(ctx, o) })
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bodkin-transfer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	link := natlab.Link{}
	if o.kills > 0 {
		link = slowPath
	}
	s, err := newStage(ctx, dir, link, o.same)
	if err != nil {
		return err
	}
	defer s.close()
	var report string
	switch {
	case o.kills > 0:
		report, err = s.killing(ctx, o.kills, killingSize)
	case o.connections > 0:
		report, err = s.connections(ctx, o.connections)
	default:
		return s.measure(ctx, o)
	}
	fmt.Println(report)
	return err
}
