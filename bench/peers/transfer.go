package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// transferBytes ends a transfer that time has not ended.
const transferBytes = 1 << 30

// A transfer is bytes sent in one direction over one stream, by one contestant on one road.
type transfer struct {
	Road       string  `json:"road"`
	Contestant string  `json:"contestant"`
	Round      int     `json:"round"`
	MiBps      float64 `json:"mib_per_s"`     // at the receiver, from the first byte to the last
	CPU        float64 `json:"cpu_s_per_gib"` // of both processes together
}

// Roads are what is between sender and receiver. Two processes on one host talk through the kernel alone, in packets of 64 KiB. Between two hosts natlab carries the
// packets, of 1500 bytes with segmentation offload, in this process, which takes its share of the machine.
const (
	roadKernel = "kernel"
	roadLab    = "natlab"
)

// contestants returns who sends, the lightest first.
func contestants() []string { return []string{"tcp", "tls", "libp2p", "bodkin"} }

// runTransfers lets the contestants send in turn, on each road.
func runTransfers(ctx context.Context, o options, r *report) error {
	if o.rounds == 0 {
		return nil
	}
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		return err
	}
	defer lab.Close()
	server := lab.Host("server", natlab.At(publicAddrs[0]))
	near, far := lab.Host("near"), lab.Host("far")
	if err := lab.Err(); err != nil {
		return err
	}
	invite, stop, err := startBodkinServer(ctx, server)
	if err != nil {
		return err
	}
	defer stop()
	for round := range o.rounds {
		for _, name := range rotate(contestants(), round) {
			for _, to := range []*natlab.Host{near, far} {
				t := transfer{Road: roadKernel, Contestant: name, Round: round}
				if to != near {
					t.Road = roadLab
				}
				if err := t.run(ctx, near, to, invite, o.transfer); err != nil {
					return fmt.Errorf("transfer by %s on the %s road: %w", name, t.Road, err)
				}
				r.Transfers = append(r.Transfers, t)
				fmt.Fprintf(os.Stderr, "%s %s: %.0f MiB/s, %.2f CPU s/GiB\n", t.Road, t.Contestant, t.MiBps, t.CPU)
			}
		}
	}
	return nil
}

// run makes one transfer.
func (t *transfer) run(ctx context.Context, near, far *natlab.Host, invite bodkinInvite, longest time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, prepareLimit+2*longest)
	defer cancel()
	c := transferConfig{
		Contestant: t.Contestant,
		Address:    far.Addr().String(),
		Invite:     invite.Invite,
		Name:       fmt.Sprintf("to-%s-%d", t.Road, t.Round),
		Longest:    longest,
	}
	to, err := startRole(ctx, far, "receiver", c)
	if err != nil {
		return err
	}
	defer to.stop()
	if _, err := to.await(ctx, evReady, &c.Target); err != nil {
		return err
	}
	c.Name = fmt.Sprintf("from-%s-%d", t.Road, t.Round)
	from, err := startRole(ctx, near, "sender", c)
	if err != nil {
		return err
	}
	defer from.stop()
	var sent, received moved
	if _, err := from.await(ctx, evMoved, &sent); err != nil {
		return err
	}
	if _, err := to.await(ctx, evMoved, &received); err != nil {
		return err
	}
	t.MiBps = float64(received.Bytes) / (1 << 20) / received.Took.Seconds()
	t.CPU = (sent.CPU + received.CPU).Seconds() / float64(received.Bytes) * (1 << 30)
	return nil
}

// printTransfers writes medians by road and contestant.
func (r *report) printTransfers(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "| one stream\t| kernel MiB/s\t| CPU s/GiB\t| natlab MiB/s\t| CPU s/GiB\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|")
	for _, name := range contestants() {
		fmt.Fprintf(t, "| %s", name)
		for _, road := range []string{roadKernel, roadLab} {
			var speeds, cpus []float64
			for _, x := range r.Transfers {
				if x.Road == road && x.Contestant == name {
					speeds, cpus = append(speeds, x.MiBps), append(cpus, x.CPU)
				}
			}
			if len(speeds) == 0 {
				fmt.Fprint(t, "\t| –\t| –")
				continue
			}
			fmt.Fprintf(t, "\t| %.0f (%.0f–%.0f)\t| %.2f", median(speeds), slices.Min(speeds), slices.Max(speeds), median(cpus))
		}
		fmt.Fprintln(t, "\t|")
	}
	t.Flush()
}
