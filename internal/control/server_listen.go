package control

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// A served listener belongs to the connection that asked for it.
type served struct {
	streams chan Stream
	done    chan struct{} // closed when no more streams come; err is set then
	err     error
}

// nobodyListens is what dialers are told whose stream came as the listener went.
const nobodyListens = "nobody listens any more"

// listen takes a service for as long as the connection lasts.
func (h *handler) listen(w http.ResponseWriter, r *http.Request) {
	h.streams.Add(1)
	defer h.streams.Done()
	listener, err := h.Node.Listen(r.Context(), r.FormValue("service"))
	if err != nil {
		refuse(w, err)
		return
	}
	defer h.ledger.listen(r.FormValue("service"))()
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
			stream.Refuse(nobodyListens) // Close would say that all was read
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
		h.join(w, r, stream, true)
	case <-s.done:
		refuse(w, s.err)
	case <-r.Context().Done():
	}
}
