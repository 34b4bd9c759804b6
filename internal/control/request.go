package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
)

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
