package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/forward"
)

// headerTimeout bounds how long a client may take to say what it wants, and how long Serve waits for the last answers.
const headerTimeout = 5 * time.Second

// protocol is the name that both sides give in Upgrade.
const protocol = "bodkin-stream/1"

// A Server lets the commands of this machine use a node.
type Server struct {
	Node Node
	Port uint16       // the node's local TCP port, for Info
	Log  *slog.Logger // nil: silence
}

// Serve answers on l until ctx ends, and then returns nil. It closes l and all streams, and waits for everything it
// started. Call it once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &handler{Server: s, listeners: map[uint64]*served{}}
	server := &http.Server{
		Handler:           h.routes(),
		ReadHeaderTimeout: headerTimeout,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // a client that went away is no news
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done() // ends all requests too
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), headerTimeout)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	err := server.Serve(l)
	cancel()
	<-stopped
	h.streams.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

type handler struct {
	*Server
	streams sync.WaitGroup // connections that are no longer HTTP

	mu        sync.Mutex // guards the following
	listeners map[uint64]*served
	last      uint64 // number given to a listener
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/info", answering(func(*http.Request) (any, error) {
		return Info{PID: os.Getpid(), ID: h.Node.ID(), Name: h.Node.Name(), Port: h.Port}, nil
	}))
	mux.HandleFunc("GET /v1/status", answering(func(r *http.Request) (any, error) {
		return h.Node.Status(r.Context())
	}))
	mux.HandleFunc("GET /v1/peers", answering(func(r *http.Request) (any, error) {
		return h.Node.Peers(r.Context())
	}))
	mux.HandleFunc("POST /v1/ping", answering(func(r *http.Request) (any, error) {
		return h.Node.Ping(r.Context(), r.FormValue("peer"))
	}))
	mux.HandleFunc("GET /v1/watch", h.watch)
	mux.HandleFunc("POST /v1/dial", h.dial)
	mux.HandleFunc("POST /v1/listen", h.listen)
	mux.HandleFunc("POST /v1/accept", h.accept)
	return mux
}

// answering serves what ask returns as JSON.
func answering(ask func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := ask(r)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	}
}

// refuse answers with err.
func refuse(w http.ResponseWriter, err error) {
	p, status := describe(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(p)
}

// An update is one line of a watch: an event, or why there are no more.
type update struct {
	Event   *bodkin.Event `json:",omitempty"`
	Problem *problem      `json:",omitempty"`
}

func (h *handler) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	flush.Flush()
	for event, err := range h.Node.Watch(r.Context()) {
		line := update{Event: &event}
		if r.Context().Err() != nil { // the node stops, which the client tells from the missing end
			return
		}
		if err != nil {
			p, _ := describe(err)
			line = update{Problem: &p}
		}
		if out.Encode(line) != nil || flush.Flush() != nil || err != nil {
			return
		}
	}
}

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

// A served listener belongs to the connection that asked for it.
type served struct {
	streams chan Stream
	done    chan struct{} // closed when no more streams come; err is set then
	err     error
}

// listen takes a service for as long as the connection lasts.
func (h *handler) listen(w http.ResponseWriter, r *http.Request) {
	h.streams.Add(1)
	defer h.streams.Done()
	listener, err := h.Node.Listen(r.Context(), r.FormValue("service"))
	if err != nil {
		refuse(w, err)
		return
	}
	number, s := h.add()
	w.Header().Set("Bodkin-Listener", strconv.FormatUint(number, 10))
	owner, err := upgrade(w, streamInfo{Service: r.FormValue("service")})
	if err != nil {
		listener.Close()
		h.remove(number)
		return
	}
	gone := make(chan struct{}) // the owner's end, or ours
	stop := context.AfterFunc(r.Context(), func() { owner.Close() })
	defer stop()

	var tasks sync.WaitGroup
	tasks.Go(func() { s.feed(listener, gone) })
	owner.Read(make([]byte, 1)) // nothing comes but the end
	close(gone)
	listener.Close()
	owner.Close()
	tasks.Wait()
	h.remove(number)
}

// feed hands the listener's streams to whoever accepts, until the listener is closed.
func (s *served) feed(listener Listener, gone <-chan struct{}) {
	defer close(s.done)
	for {
		stream, err := listener.Accept()
		if err != nil {
			s.err = err
			return
		}
		select {
		case s.streams <- stream:
		case <-gone:
			stream.Close()
		}
	}
}

func (h *handler) add() (uint64, *served) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	s := &served{streams: make(chan Stream), done: make(chan struct{})}
	h.listeners[h.last] = s
	return h.last, s
}

func (h *handler) remove(number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, number)
}

func (h *handler) accept(w http.ResponseWriter, r *http.Request) {
	number, _ := strconv.ParseUint(r.FormValue("listener"), 10, 64) // 0 is nobody's
	h.mu.Lock()
	s := h.listeners[number]
	h.mu.Unlock()
	if s == nil {
		refuse(w, net.ErrClosed)
		return
	}
	select {
	case stream := <-s.streams:
		h.join(w, r, stream)
	case <-s.done:
		refuse(w, s.err)
	case <-r.Context().Done():
	}
}
