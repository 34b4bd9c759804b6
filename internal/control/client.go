package control

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// maxAnswer bounds an answer that is read as a whole. A peer takes some 400 bytes of it.
const maxAnswer = 64 << 20

// A Client uses the node that runs for a home. It is safe for concurrent use.
type Client struct {
	path string
	info Info
	http *http.Client
}

// Connect finds the node that runs for the home directory. Its error satisfies errors.Is(err, ErrNotRunning) where none
// does.
func Connect(ctx context.Context, home string) (*Client, error) {
	path, err := socketPath(home)
	if err != nil {
		return nil, err
	}
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dialSocket(ctx) },
	}}
	if err := c.ask(ctx, http.MethodGet, "info", nil, &c.info); err != nil {
		return nil, err
	}
	return c, nil
}

// Info tells who serves the socket.
func (c *Client) Info() Info { return c.info }

// ID returns the node's id.
func (c *Client) ID() bodkin.NodeID { return c.info.ID }

// Name returns the node's name.
func (c *Client) Name() string { return c.info.Name }

// Close ends the use of the node. Streams and listeners stay until they are closed themselves.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Status is that of bodkin.Node.
func (c *Client) Status(ctx context.Context) (status bodkin.Status, err error) {
	err = c.ask(ctx, http.MethodGet, "status", nil, &status)
	return status, err
}

// Diagnose is that of bodkin.Node.
func (c *Client) Diagnose(ctx context.Context) (diagnosis bodkin.Diagnosis, err error) {
	err = c.ask(ctx, http.MethodGet, "diagnosis", nil, &diagnosis)
	return diagnosis, err
}

// Peers is that of bodkin.Node.
func (c *Client) Peers(ctx context.Context) (peers []bodkin.Peer, err error) {
	err = c.ask(ctx, http.MethodGet, "peers", nil, &peers)
	return peers, err
}

// Ping is that of bodkin.Node.
func (c *Client) Ping(ctx context.Context, peer string) (ping bodkin.Ping, err error) {
	err = c.ask(ctx, http.MethodPost, "ping", url.Values{"peer": {peer}}, &ping)
	return ping, err
}

// Service tells what the node does as a service.
func (c *Client) Service(ctx context.Context) (service Service, err error) {
	err = c.ask(ctx, http.MethodGet, "service", nil, &service)
	return service, err
}

// Streams tells what goes through the node.
func (c *Client) Streams(ctx context.Context) (streams Streams, err error) {
	err = c.ask(ctx, http.MethodGet, "streams", nil, &streams)
	return streams, err
}

// Reload has the node read its settings again.
func (c *Client) Reload(ctx context.Context) (done Reloaded, err error) {
	err = c.ask(ctx, http.MethodPost, "reload", nil, &done)
	return done, err
}

// Watch is that of bodkin.Node.
func (c *Client) Watch(ctx context.Context) iter.Seq2[bodkin.Event, error] {
	return func(yield func(bodkin.Event, error) bool) {
		answer, err := c.request(ctx, http.MethodGet, "watch", nil)
		if err != nil {
			yield(bodkin.Event{}, err)
			return
		}
		defer answer.Body.Close()
		for lines := json.NewDecoder(answer.Body); ; {
			var line update
			switch err := lines.Decode(&line); {
			case ctx.Err() != nil:
				yield(bodkin.Event{}, context.Cause(ctx))
				return
			case err != nil:
				yield(bodkin.Event{}, ErrStopped)
				return
			case line.Problem != nil:
				yield(bodkin.Event{}, line.Problem.error())
				return
			case line.Event != nil && !yield(*line.Event, nil):
				return
			}
		}
	}
}

// Dial is that of bodkin.Node.
func (c *Client) Dial(ctx context.Context, peer, service string) (Stream, error) {
	l, _, err := c.upgrade(ctx, "dial", url.Values{"peer": {peer}, "service": {service}})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Listen takes a service of the node until the Listener is closed, or this process ends.
func (c *Client) Listen(ctx context.Context, service string) (Listener, error) {
	owner, header, err := c.upgrade(ctx, "listen", url.Values{"service": {service}})
	if err != nil {
		return nil, err
	}
	l := &listener{client: c, owner: owner, number: header.Get("Bodkin-Listener")}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx)) // ctx was for the asking
	return l, nil
}

type listener struct {
	client *Client
	owner  *link
	number string
	ctx    context.Context
	cancel context.CancelFunc
	close  sync.Once
}

func (l *listener) Accept() (Stream, error) {
	stream, _, err := l.client.upgrade(l.ctx, "accept", url.Values{"listener": {l.number}})
	if l.ctx.Err() != nil {
		if err == nil {
			stream.Refuse(nobodyListens)
		}
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
	if err != nil {
		return nil, err
	}
	return stream, nil
}

func (l *listener) Close() error {
	l.close.Do(func() {
		l.cancel()
		l.owner.Close()
	})
	return nil
}

// pathTimeout bounds how long a stream's Path may take. The node is on this machine.
const pathTimeout = time.Second
