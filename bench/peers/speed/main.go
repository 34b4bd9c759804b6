// Speed compares how fast bytes go over one path: bare TCP, bare crypto/tls, a Bodkin session with all its layers, go-libp2p.
//
//	go run ./speed                              one stream, then 100 and 1,000, in turns, through a router of namespaces (needs root)
//	go run ./speed -distant                     one stream over 100 ms, in natlab
//	go run ./speed -contestants tls,bodkin -streams 1 -rounds 9
//	go run ./speed -small                       and little messages to and fro beside them, over a stream more
//	go run ./speed -profile DIR                 processor profiles of every process as well
//	go run ./speed -beside OLD -contestants bodkin    two versions of Bodkin in turns: OLD is what go build -o OLD ./speed made of the other
//
// The path is the kernel's: two hosts and between them a router, joined by veth pairs; the router masquerades with nftables. Sender and
// receiver are processes of their own, fresh for each cell. One round has every cell once; the contestants take turns, so what else the machine
// does hits all of them. With -beside the program of another version has turns of its own as the contestant bodkin, of which it plays both
// roles.
//
// # What is measured
//
// Bytes that the receiver has read within a time that begins a little after the first byte, and the processor time that both processes
// use in as long. Writes of 128 KiB, reads of as much; over 100 and more streams 16 KiB, as a thousand buffers would leave no cache. The
// shares are the most that one of the streams got over the least in that time. A small message is 64 bytes that come back, one at a time; a
// session's alone, as go-libp2p does not hand streams over in the order in which they were opened.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	contestants []string
	streams     []int
	rounds      int
	time        time.Duration
	distant     bool
	small       bool
	beside      []string // programs of other versions
	profile     string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == roleCommand {
		exitOn(play(os.Args[2:]))
		return
	}
	var o options
	names := flag.String("contestants", "tcp,tls,bodkin,libp2p", "who takes turns")
	counts := flag.String("streams", "1,100,1000", "over how many streams; TCP and TLS have but one")
	flag.IntVar(&o.rounds, "rounds", 5, "how often everybody has a turn")
	flag.DurationVar(&o.time, "time", 2*time.Second, "how long is measured in each turn")
	flag.BoolVar(&o.distant, "distant", false, "100 ms of round trip in natlab instead of the router; one stream alone")
	flag.BoolVar(&o.small, "small", false, "measure round trips of small messages beside a session's streams as well")
	beside := flag.String("beside", "", "programs of other versions, which take turns as bodkin")
	flag.StringVar(&o.profile, "profile", "", "write a processor profile of each of this version's processes into this folder")
	flag.Parse()
	o.contestants = strings.Split(*names, ",")
	for _, text := range strings.Split(*counts, ",") {
		n, err := strconv.Atoi(text)
		exitOn(err)
		o.streams = append(o.streams, n)
	}
	if *beside != "" {
		o.beside = strings.Split(*beside, ",")
	}
	if o.distant {
		o.streams = []int{1}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exitOn(compare(ctx, o))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}

// compare lets the contestants take turns, and prints what there is also when it was interrupted.
func compare(ctx context.Context, o options) (err error) {
	build := newRouted
	if o.distant {
		build = newDistant
	}
	path, err := build(ctx)
	if err != nil {
		return err
	}
	defer path.close()
	var r report
	defer func() { r.print(os.Stdout) }()
	for round := range o.rounds {
		for _, c := range cells(o, round) {
			result, err := c.run(ctx, path, o)
			if err != nil {
				return fmt.Errorf("%s: %w", c, err)
			}
			fmt.Fprintf(os.Stderr, "%-18s %6.0f MiB/s %5.2f CPU s/GiB (%.2f sending), shares %.2f, small ones %v\n", c, result.speed, result.cpu, result.sending, result.shares, result.small)
			r.add(c, result)
		}
	}
	return nil
}

// hasStreams tells whether a contestant can have more than one.
func hasStreams(name string) bool { return !slices.Contains([]string{"tcp", "tls"}, name) }

// cells are those of one round. Each round begins with another contestant.
func cells(o options, round int) (all []cell) {
	turns := entrants(o)
	for _, n := range o.streams {
		for i := range turns {
			c := turns[(i+round)%len(turns)]
			if c.streams = n; n == 1 || hasStreams(c.contestant) {
				all = append(all, c)
			}
		}
	}
	return all
}

// entrants are those who take turns. Versions differ in what is Bodkin's.
func entrants(o options) (all []cell) {
	for _, name := range o.contestants {
		all = append(all, cell{contestant: name})
		if name == "bodkin" {
			for _, program := range o.beside {
				all = append(all, cell{contestant: name, program: program})
			}
		}
	}
	return all
}
