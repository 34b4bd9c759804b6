package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
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
	h.join(w, r, stream)
}

// join turns the HTTP connection into stream, and carries bytes until both directions have ended.
func (h *handler) join(w http.ResponseWriter, r *http.Request, stream Stream) {
	h.streams.Add(1) // before Hijack: after it, Shutdown does not wait for this handler
	defer h.streams.Done()
	info := streamInfo{Peer: stream.Peer(), PeerName: stream.PeerName(), Service: stream.Service(), Path: stream.Path()}
	l, err := upgrade(w, info)
	if err != nil {
		stream.Close()
		return
	}
	source := &noted{Stream: stream}
	command := &commandEnd{link: l, source: source}
	stop := context.AfterFunc(r.Context(), func() {
		command.Abort()
		source.Abort()
	})
	defer stop()
	if _, err := forward.Splice(command, source); err != nil && h.Log != nil {
		h.Log.Debug("stream of a command broke", "peer", info.PeerName, "service", info.Service, "err", err)
	}
}

// noted is a stream that remembers why reading from it failed.
type noted struct {
	Stream
	failure atomic.Pointer[error]
}

func (n *noted) Read(p []byte) (int, error) {
	count, err := n.Stream.Read(p)
	if err != nil && err != io.EOF {
		n.failure.CompareAndSwap(nil, &err)
	}
	return count, err
}

// commandEnd is the command's end of a stream, which is told why the peer's end broke.
type commandEnd struct {
	*link
	source *noted
}

// Abort cuts the stream, for the reason that the source had.
func (c *commandEnd) Abort() error {
	if failure := c.source.failure.Load(); failure != nil {
		return c.CloseWithError(*failure)
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
