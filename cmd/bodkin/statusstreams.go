package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// rateTime is over how long status measures what streams carry.
const rateTime = 300 * time.Millisecond

// streamsShown is how many streams are printed for people.
const streamsShown = 20

// A streamStatus is a stream that goes through the node: of a command, a service or a forwarded port.
type streamStatus struct {
	Peer     string        `json:"peer"`
	ID       bodkin.NodeID `json:"id"`
	Service  string        `json:"service"`
	Accepted bool          `json:"accepted"` // the service is this machine's; else the peer's
	Path     string        `json:"path"`
	In       uint64        `json:"bytes_in"`
	Out      uint64        `json:"bytes_out"`
	InRate   float64       `json:"bytes_in_per_second"`
	OutRate  float64       `json:"bytes_out_per_second"`
	Since    time.Time     `json:"since"`
}

// streamsOf asks the node what goes through it: twice, if there is something, for the rates.
func streamsOf(ctx context.Context, client *control.Client) (list []streamStatus, open int, err error) {
	before, err := client.Streams(ctx)
	if err != nil || before.Open == 0 {
		return []streamStatus{}, 0, err
	}
	began := time.Now()
	select {
	case <-time.After(rateTime):
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	after, err := client.Streams(ctx)
	return ratesOf(before, after, time.Since(began)), after.Open, err
}

// ratesOf tells what streams have carried between two looks at them. One that was not there at the first has no rate yet.
func ratesOf(before, after control.Streams, took time.Duration) []streamStatus {
	was := map[uint64]control.StreamStatus{}
	for _, s := range before.List {
		was[s.Number] = s
	}
	list := []streamStatus{}
	for _, s := range after.List {
		status := streamStatus{Peer: s.Peer, ID: s.ID, Service: s.Service, Accepted: s.Accepted, Path: pathWord(s.Path), In: s.In, Out: s.Out, Since: s.Since}
		if w, known := was[s.Number]; known && took > 0 {
			status.InRate, status.OutRate = float64(s.In-w.In)/took.Seconds(), float64(s.Out-w.Out)/took.Seconds()
		}
		list = append(list, status)
	}
	return list
}

// line is for people.
func (s streamStatus) line(now time.Time) string {
	from := "to " + s.Service + " of " + s.Peer
	if s.Accepted {
		from = s.Service + " from " + s.Peer
	}
	amount := func(bytes uint64, rate float64, direction string) string {
		text := byteCount(bytes) + " " + direction
		if rate >= 1 {
			text += fmt.Sprintf(" (%s/s)", byteCount(uint64(rate)))
		}
		return text
	}
	return fmt.Sprintf("%s, %v: %s, %s", from, now.Sub(s.Since).Round(time.Second), amount(s.In, s.InRate, "in"), amount(s.Out, s.OutRate, "out"))
}
