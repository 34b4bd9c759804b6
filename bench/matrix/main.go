// Matrix runs Bodkin through every pair of the usual NATs, N times each, and says of each pair what should happen, what did, and
// whether that is good enough. Nodes and the server are the real ones; the networks are natlab's, so it needs Linux but no root.
//
//	go run ./bench/matrix                                        all pairs, 20 runs each
//	go run ./bench/matrix -only linux,symmetric-random -runs 3   pairs of these two boxes
//	go run ./bench/matrix -only linux:* -json run.json           linux dials everybody
//	go run ./bench/matrix -resume run.json -json run.json        what run.json has not got yet
//	go run ./bench/matrix -search -direct-only -only linux:symmetric-random -runs 100
//
// Boxes are what a node is behind (-list names them); the row of a table is the dialer's, the column the callee's. Each pair has a
// lab and a server of its own, fresh nodes and NATs that remember nothing in each run. Pairs run side by side, as they mostly wait.
//
// # What is counted
//
// A run is direct if its session was, in the end, on a connection between the two. Times are from the dial to the first protected byte
// that can be sent. SYNs are those that natlab saw in the network next to the node, retransmissions included, between the dial and the
// end of the attempt. A stranger is whoever gets a SYN without being the server, an address at which the peer is seen, or, where both are
// seen at one address and so may share a local network, the peer's address in its network. That count goes over everything, from joining
// to leaving; a node's own outside address and its gateway, which it may ask about its NAT, are no strangers.
//
// A clock beside the runs notices when the machine stood still. A run during which it did is marked and played once more, and
// figures are of the unmarked runs; the number of marked ones, and how many of them were direct, are told with them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/bench"
)

// options are the command line's.
type options struct {
	Runs       int           `json:"runs"`
	Only       string        `json:"only,omitempty"`
	Traffic    float64       `json:"background,omitempty"` // connections a second of neighbours, through every NAT
	Loss       float64       `json:"loss,omitempty"`       // of a path, 0 to 1
	Jitter     time.Duration `json:"jitter_ns,omitempty"`  // of a path
	NoUDP      bool          `json:"no_udp,omitempty"`
	Search     bool          `json:"search,omitempty"`
	DirectOnly bool          `json:"direct_only,omitempty"`
	Mapped     bool          `json:"mapped,omitempty"` // the dialer's gateway maps ports

	parallel int
	stall    time.Duration
	json     string
	resume   string
	markdown string
	picture  string
	trace    string
	list     bool
	verbose  bool
}

func main() {
	var o options
	var loss string
	flag.IntVar(&o.Runs, "runs", 20, "runs of each pair")
	flag.StringVar(&o.Only, "only", "*:*", "comma-separated boxes, for all pairs of them, or pairs DIALER:CALLEE, where * is every box")
	flag.Float64Var(&o.Traffic, "background", 0, "connections a second that neighbours open through every NAT")
	flag.StringVar(&loss, "loss", "0%", "packets that each path loses, such as 5%")
	flag.DurationVar(&o.Jitter, "jitter", 0, "most by which a path delays a packet on top")
	flag.BoolVar(&o.NoUDP, "no-udp", false, "hosts can send no UDP")
	flag.BoolVar(&o.Search, "search", false, "both nodes allow the birthday search; with -direct-only, since a pair with a relay searches later")
	flag.BoolVar(&o.DirectOnly, "direct-only", false, "both nodes refuse the relay")
	flag.BoolVar(&o.Mapped, "mapped", false, "instead of the matrix: the dialer's gateway is a Linux router whose miniupnpd maps ports")
	flag.IntVar(&o.parallel, "parallel", 16, "pairs that run side by side")
	flag.DurationVar(&o.stall, "stall", 8*time.Millisecond, "how long the machine may stand still in a run that counts")
	flag.StringVar(&o.json, "json", "", "write every run to this file")
	flag.StringVar(&o.resume, "resume", "", "begin with the runs in this file, written by -json with the same conditions")
	flag.StringVar(&o.markdown, "markdown", "", "write the tables to this file, too")
	flag.StringVar(&o.picture, "svg", "", "write the matrix as a picture to this file")
	flag.StringVar(&o.trace, "trace", "", "write packets and logs of runs that went wrong to this folder")
	flag.BoolVar(&o.list, "list", false, "list the boxes and end")
	flag.BoolVar(&o.verbose, "v", false, "print every run")
	flag.Parse()
	if o.list {
		for _, b := range boxes() {
			fmt.Printf("%-28s %s\n", b.name, b)
		}
		return
	}
	var err error
	if o.Loss, err = parseShare(loss); err == nil {
		err = o.check()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
	bench.Main("matrix", func(ctx context.Context) error {
		r, err := measure(ctx, o)
		if r == nil {
			return err
		}
		return errors.Join(err, r.publish(o), r.verdict())
	})
}

func (o options) check() error {
	switch {
	case o.Runs < 1 || o.Runs > 1000:
		return errors.New("-runs: want 1 to 1000")
	case o.parallel < 1 || o.parallel > 64:
		return errors.New("-parallel: want 1 to 64")
	case o.Traffic < 0 || o.Traffic > 1000:
		return errors.New("-background: want 0 to 1000")
	case o.Jitter < 0 || o.Jitter > time.Second:
		return errors.New("-jitter: want 0 to 1s")
	}
	return nil
}

// parseShare reads 5% or 0.05.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	var share float64
	if _, err := fmt.Sscanf(number, "%g", &share); err != nil {
		return 0, fmt.Errorf("-loss %q: want a share such as 5%%", text)
	}
	if percent {
		share /= 100
	}
	if !(share >= 0 && share <= 0.5) {
		return 0, fmt.Errorf("-loss %q: want 0%% to 50%%", text)
	}
	return share, nil
}
