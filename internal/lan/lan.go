// Package lan lets nodes on one link hear of each other by multicast DNS (RFC 6762, RFC 6763), without a server.
//
// Each is an instance of the service _bodkin._tcp under a random name. Its TXT record carries the beacon, which is the caller's,
// sealed for the room: who is not in it learns that somebody here runs Bodkin on a port, and neither which room nor which node that
// is, nor whether it is the one from before. Name and beacon change every ten minutes and whenever the network does.
package lan

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/netspace"
	"github.com/pion/mdns/v2"
)

const (
	service = "_bodkin._tcp"

	// scanInterval is how often the others are asked for, besides when somebody wants to know. What was not heard for three is gone.
	scanInterval = 30 * time.Second
	// scanTime is how long answers are waited for, and askInterval how long until the question is asked again, should it be lost.
	scanTime, askInterval = 1200 * time.Millisecond, 400 * time.Millisecond
	// rotation is how long an instance keeps its name and its beacon.
	rotation = 10 * time.Minute
	// retryInterval is how long it is until multicast is tried again where the system refuses it.
	retryInterval = time.Minute
)

// Forget is how long after it was last heard a beacon's node is to be counted as gone.
const Forget = 3*scanInterval + scanTime

// Config is what to tell the link and whom to tell what comes from there.
type Config struct {
	Port   uint16        // where the node listens
	Beacon func() []byte // makes what is told, at most MaxBeacon bytes. Nil: nothing, others are only listened to

	// Heard is told each beacon that comes, also the node's own, maybe several times. Calls may overlap. It must return at once.
	Heard func(beacon []byte)
	// Scanned is called at the end of each scan.
	Scanned func()

	Ask  <-chan struct{} // when it is received from, the others are asked for now
	Wake <-chan struct{} // when it is received from, the network may be another

	// Within runs open, which opens sockets, where the link is to be listened to: in another network namespace, for instance.
	// Nil means here.
	Within netspace.Space

	Log *slog.Logger // nil: silence
}

// Run tells and listens until ctx ends, and returns its error. Where multicast is blocked it hears nothing.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for ctx.Err() == nil {
		conn, err := c.open()
		if err != nil {
			c.Log.Debug("no local discovery", "err", err)
			c.rest(ctx)
			continue
		}
		c.Log.Debug("listening on the link")
		c.serve(ctx, conn)
		if err := conn.Close(); err != nil {
			c.Log.Debug("local discovery not closed", "err", err)
		}
	}
	return ctx.Err()
}

// rest waits until it is time to try again.
func (c Config) rest(ctx context.Context) {
	retry := time.NewTimer(retryInterval)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
			return
		case <-c.Wake:
			return
		case <-c.Ask: // nobody is heard
			c.Scanned()
		}
	}
}

// serve answers, which the library does by itself, and asks, until the instance is to have another name or the network is another.
func (c Config) serve(ctx context.Context, conn *mdns.Conn) {
	conn.OnServiceDiscovered(func(e mdns.ServiceEvent) {
		if beacon, ok := fromTXT(e.Instance.Text); ok {
			c.Heard(beacon)
		}
	})
	turn, scan := time.NewTimer(rotation), time.NewTicker(scanInterval)
	defer turn.Stop()
	defer scan.Stop()
	for {
		if err := c.scan(ctx, conn); err != nil {
			c.Log.Debug("nobody was asked", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
			return
		case <-c.Wake:
			return
		case <-c.Ask:
		case <-scan.C:
		}
	}
}

// scan asks for all others. Each that answers is heard again, also who is known.
func (c Config) scan(ctx context.Context, conn *mdns.Conn) error {
	defer c.Scanned()
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	if err := conn.Browse(ctx, service); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// instance is this node's, under a new name.
func (c Config) instance() mdns.ServiceInstance {
	name := make([]byte, 8)
	rand.Read(name) // never fails
	return mdns.ServiceInstance{
		Instance: hex.EncodeToString(name),
		Service:  service,
		Domain:   "local",
		Host:     hex.EncodeToString(name) + ".local.",
		Port:     c.Port,
		Text:     toTXT(c.Beacon()),
	}
}
