package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
)

// headerTimeout bounds how long a client may take to say what it wants, and how long Serve waits for the last answers.
const headerTimeout = 5 * time.Second

// diagnosisTimeout bounds how long a diagnosis waits for what is not measured yet.
const diagnosisTimeout = 15 * time.Second

// protocol is the name that both sides give in Upgrade.
const protocol = "bodkin-stream/1"

// errNoSettings tells that a node was not started by a file.
var errNoSettings = errors.New("this node has no settings to read again")

// A Server lets the commands of this machine use a node.
type Server struct {
	Node Node
	Port uint16       // the node's local TCP port, for Info
	Log  *slog.Logger // nil: silence

	// Ledger has the streams of the node; those of commands are entered into it. Nil: only those are known.
	Ledger *Ledger

	// Service tells what the node does as a service. Nil: nothing is known.
	Service func() Service

	// Reload has the node read its settings again. Nil: it has none.
	Reload func() (Reloaded, error)
}

// Serve answers on l until ctx ends, and then returns nil. It closes l and all streams, and waits for everything it
// started. Call it once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &handler{Server: s, listeners: map[uint64]*served{}, ledger: cmp.Or(s.Ledger, new(Ledger))}
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
	ledger  *Ledger

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
	mux.HandleFunc("GET /v1/diagnosis", answering(func(r *http.Request) (any, error) {
		ctx, cancel := context.WithTimeout(r.Context(), diagnosisTimeout)
		defer cancel()
		return h.Node.Diagnose(ctx)
	}))
	mux.HandleFunc("GET /v1/peers", answering(func(r *http.Request) (any, error) {
		return h.Node.Peers(r.Context())
	}))
	mux.HandleFunc("POST /v1/ping", answering(func(r *http.Request) (any, error) {
		return h.Node.Ping(r.Context(), r.FormValue("peer"))
	}))
	mux.HandleFunc("GET /v1/service", answering(func(*http.Request) (any, error) {
		if h.Service == nil {
			return Service{}, nil
		}
		return h.Service(), nil
	}))
	mux.HandleFunc("POST /v1/reload", answering(func(*http.Request) (any, error) {
		if h.Reload == nil {
			return nil, errNoSettings
		}
		return h.Reload()
	}))
	mux.HandleFunc("GET /v1/streams", answering(func(*http.Request) (any, error) { return h.ledger.Streams(), nil }))
	mux.HandleFunc("GET /v1/path", answering(h.path))
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
