package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
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

// ask sends a request and reads the whole answer.
func (c *Client) ask(ctx context.Context, method, what string, form url.Values, answer any) error {
	resp, err := c.request(ctx, method, what, form)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer); err != nil {
		return c.explain(ctx, err)
	}
	return nil
}

// request sends a request and returns an answer of success, whose body the caller closes.
func (c *Client) request(ctx context.Context, method, what string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address(what, form), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

func address(what string, form url.Values) string {
	return (&url.URL{Scheme: "http", Host: "bodkin", Path: "/v1/" + what, RawQuery: form.Encode()}).String()
}

// upgrade sends a request that turns its connection into a stream.
func (c *Client) upgrade(ctx context.Context, what string, form url.Values) (*link, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address(what, form), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	conn, err := c.dialSocket(ctx)
	if err != nil {
		return nil, nil, c.explain(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // which the node takes for a cancelled request
	l, header, err := handshake(conn, req)
	if !stop() || err != nil {
		conn.Close()
		return nil, nil, c.explain(ctx, err)
	}
	if l.info.Number != 0 {
		l.path = func() (bodkin.Path, error) { return c.streamPath(l.info.Number) }
	}
	return l, header, nil
}

// pathTimeout bounds how long a stream's Path may take. The node is on this machine.
const pathTimeout = time.Second

// streamPath asks which path a stream takes now.
func (c *Client) streamPath(number uint64) (path bodkin.Path, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), pathTimeout) // Path has none
	defer cancel()
	err = c.ask(ctx, http.MethodGet, "path", url.Values{"stream": {strconv.FormatUint(number, 10)}}, &path)
	return path, err
}

func handshake(conn net.Conn, req *http.Request) (*link, http.Header, error) {
	if err := req.Write(conn); err != nil {
		return nil, nil, err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, nil, readProblem(resp)
	}
	var info streamInfo
	if err := json.Unmarshal([]byte(resp.Header.Get("Bodkin-Stream")), &info); err != nil {
		return nil, nil, errSpoken
	}
	return newLink(conn, in, info), resp.Header, nil
}

func readProblem(resp *http.Response) error {
	var p problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxProblem)).Decode(&p); err != nil || p.Text == "" {
		return fmt.Errorf("the running node (bodkin up) is of another version: %s", resp.Status)
	}
	return p.error()
}

// dialSocket connects to the node's socket.
func (c *Client) dialSocket(ctx context.Context) (net.Conn, error) {
	if err := checkOwned(c.path); err != nil {
		return nil, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", c.path)
	if err == nil {
		return conn, nil
	}
	if _, missing := os.Lstat(c.path); errors.Is(missing, os.ErrNotExist) || sockerr.IsRefused(err) {
		return nil, ErrNotRunning // nobody ever was, or somebody died without removing the socket
	}
	return conn, err
}

// explain tells an error of the socket from one of the node: whoever cancelled, or that the node stopped.
func (c *Client) explain(ctx context.Context, err error) error {
	var answered *remoteError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrNotRunning) && c.info.PID == 0: // while connecting
		return ErrNotRunning
	case errors.Is(err, ErrNotRunning), sockerr.IsCut(err):
		return ErrStopped
	case errors.As(err, &answered):
		return answered
	}
	var asked *url.Error
	if errors.As(err, &asked) {
		return asked.Err // the address is that of a socket: it says nothing
	}
	return err
}
