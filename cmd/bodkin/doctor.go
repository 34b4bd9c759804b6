package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

const (
	// doctorTimeout bounds the measuring. Where nothing comes in from outside it takes some 4 s.
	doctorTimeout = 15 * time.Second
	// doctorSilence is how long the doctor works without a word.
	doctorSilence = time.Second
)

func newDoctor(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Tell how this network treats TCP, and who can be reached directly",
		Long: `Tell how the networks between this machine and the server treat TCP: the kind
of NAT, which kinds of peers can be reached directly from here and which cannot
and why, what would help, and from what that was concluded. Words are those of
RFC 4787 and RFC 5382. It takes some seconds if no node is running (bodkin up).`,
		Example: `  bodkin doctor
  bodkin doctor --json | jq '.prospects[] | select(.direct | not)'`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(c, "a JSON object: {verdict, complete, server, reflexive, rtt_ms, ipv4, ipv6, port_mapping, prospects, advice, samples, dial_backs}")
	nodeFlags(g, c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		stopProgress := showBusy(c.ErrOrStderr(), "measuring how this network treats TCP ...")
		defer stopProgress()
		node, err := openDialer(c.Context(), g, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer node.Close()
		d, err := diagnose(c.Context(), node)
		stopProgress()
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(diagnosisJSON(d))
		}
		return printDiagnosis(c.OutOrStdout(), d)
	}
	return c
}

func diagnose(ctx context.Context, node control.Node) (bodkin.Diagnosis, error) {
	limited, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	d, err := node.Diagnose(limited)
	if ctx.Err() != nil {
		return bodkin.Diagnosis{}, context.Cause(ctx)
	}
	return d, err
}

// showBusy shows text on a terminal if what follows takes long, until stop is called.
func showBusy(errs io.Writer, text string) (stop func()) {
	if !isTerminal(errs) || !takesEscapes() {
		return func() {}
	}
	ended, shown := make(chan struct{}), make(chan bool)
	go func() {
		timer := time.NewTimer(doctorSilence)
		defer timer.Stop()
		select {
		case <-timer.C:
			fmt.Fprint(errs, styleOf(errs).faint(text))
			shown <- true
		case <-ended:
			shown <- false
		}
	}()
	isOver := false
	return func() {
		if isOver {
			return
		}
		isOver = true
		close(ended)
		if <-shown {
			fmt.Fprint(errs, "\r\x1b[K")
		}
	}
}

// verdict is the diagnosis in one sentence.
func verdict(d bodkin.Diagnosis) string {
	direct := 0
	for _, p := range d.Prospects {
		if p.Direct {
			direct++
		}
	}
	others := "the others go by the relay of the server, if it has one."
	if d.Relay == bodkin.RelayNever {
		others = "the others cannot be reached without the relay (--relay=never)."
	}
	switch {
	case d.Proxied && d.Relay == bodkin.RelayNever:
		return "This machine reaches the server through an HTTP proxy; without the relay (--relay=never) most peers cannot be reached."
	case d.Proxied:
		return "This machine reaches the server through an HTTP proxy; peers are mostly reached by its relay, if it has one."
	case d.Relay == bodkin.RelayAlways:
		return "This node goes by the relay of the server alone (--relay=always)."
	case !d.PortReuse:
		return "No direct connection through a NAT is possible: sockets cannot share a port on this machine."
	case !d.Measured && d.IPv4.Mapping == "unknown" && d.IPv6.Mapping == "unknown":
		return "How this network treats TCP could not be measured."
	case direct == len(d.Prospects) && d.IPv4.Mapping == "unknown" && d.IPv6.Mapping != "unknown":
		return "Direct connections work with every kind of peer that has IPv6, as there is no IPv4 to the server here; " + others
	case direct == len(d.Prospects):
		return "Direct connections work with every kind of peer."
	case direct == 0:
		if d.Relay == bodkin.RelayNever {
			return "No direct connection is possible from this network, and without the relay (--relay=never) no other."
		}
		return "No direct connection is possible from this network; all peers go by the relay of the server, if it has one."
	case 2*direct > len(d.Prospects):
		return "Direct connections work with most peers; " + others
	}
	return "Direct connections work with some peers; " + others
}
