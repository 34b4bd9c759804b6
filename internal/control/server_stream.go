package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin/forward"
)

func (h *handler) dial(w http.ResponseWriter, r *http.Request) {
	stream, err := h.Node.Dial(r.Context(), r.FormValue("peer"), r.FormValue("service"))
	if err != nil {
		refuse(w, err)
		return
	}
	h.join(w, r, stream, false)
}

// join turns the HTTP connection into stream, which was accepted or dialled, and carries bytes until both directions have ended.
func (h *handler) join(w http.ResponseWriter, r *http.Request, stream Stream, accepted bool) {
	h.streams.Add(1) // before Hijack: after it, Shutdown does not wait for this handler
	defer h.streams.Done()
	number, closed := h.ledger.Add(stream, accepted)
	defer closed()
	info := streamInfo{Peer: stream.Peer(), PeerName: stream.PeerName(), Service: stream.Service(), Path: stream.Path(), Number: number}
	l, err := upgrade(w, info)
	if err != nil {
		stream.Abort()
		return
	}
	source := &peerEnd{Stream: stream}
	command := &commandEnd{link: l, source: source}
	source.command = command
	stop := context.AfterFunc(r.Context(), func() {
		command.Abort()
		source.Abort()
	})
	defer stop()
	if _, err := forward.Splice(command, source); err != nil && h.Log != nil {
		h.Log.Debug("stream of a command broke", "peer", info.PeerName, "service", info.Service, "err", err)
	}
}

// path tells which path a stream takes now.
func (h *handler) path(r *http.Request) (any, error) {
	number, _ := strconv.ParseUint(r.FormValue("stream"), 10, 64) // 0 is nobody's
	stream := h.ledger.stream(number)
	if stream == nil {
		return nil, net.ErrClosed
	}
	return stream.Path(), nil
}

// noted is why an end broke. What reading says comes first: writing may only notice that nobody takes what it writes.
type noted struct{ read, wrote atomic.Pointer[error] }

func note(to *atomic.Pointer[error], err error) {
	if err != nil && err != io.EOF {
		to.CompareAndSwap(nil, &err)
	}
}

// failure is nil for an end that has not broken.
func (n *noted) failure() error {
	for _, p := range []*error{n.read.Load(), n.wrote.Load()} {
		if p != nil {
			return *p
		}
	}
	return nil
}

// peerEnd is the peer's end of a stream, which is told if the command refused it.
type peerEnd struct {
	Stream
	noted
	command *commandEnd
}

func (p *peerEnd) Read(b []byte) (int, error) {
	count, err := p.Stream.Read(b)
	note(&p.read, err)
	return count, err
}

func (p *peerEnd) Write(b []byte) (int, error) {
	count, err := p.Stream.Write(b)
	note(&p.wrote, err)
	return count, err
}

func (p *peerEnd) CloseWrite() error {
	err := p.Stream.CloseWrite()
	note(&p.wrote, err)
	return err
}

// Abort cuts the stream, or refuses it where the command did. A command that has said all it had to say and gone takes no more, which
// is no reason to lose what it has said on the way to the peer.
func (p *peerEnd) Abort() error {
	if p.command.ended.Load() {
		return p.Close()
	}
	if failure := p.command.failure(); errors.Is(failure, errDeclined) {
		return p.Refuse(failure.Error())
	}
	return p.Stream.Abort()
}

// commandEnd is the command's end of a stream, which is told why the peer's end broke.
type commandEnd struct {
	*link
	noted
	ended  atomic.Bool // in order: nothing more comes from the command
	source *peerEnd
}

func (c *commandEnd) Read(p []byte) (int, error) {
	count, err := c.link.Read(p)
	note(&c.read, err)
	if err == io.EOF {
		c.ended.Store(true)
	}
	return count, err
}

// Abort cuts the stream, for the reason that the source had.
func (c *commandEnd) Abort() error {
	if failure := c.source.failure(); failure != nil {
		return c.CloseWithError(failure)
	}
	return c.link.Abort()
}

// upgrade answers 101 and takes the connection over.
func upgrade(w http.ResponseWriter, info streamInfo) (*link, error) {
	text, err := json.Marshal(info)
	if err != nil {
		refuse(w, err)
		return nil, err
	}
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", protocol)
	w.Header().Set("Bodkin-Stream", string(text))
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(conn.SetDeadline(time.Time{}), buffered.Flush()); err != nil {
		conn.Close()
		return nil, err
	}
	return newLink(conn, buffered.Reader, info), nil
}
