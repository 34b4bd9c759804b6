package server

import "github.com/prometheus/client_golang/prometheus"

// metrics are what an operator sees. The outcome labels are constants of the code, so their number is bounded.
type metrics struct {
	accepts       *prometheus.CounterVec // main connections: accepted, address_limit, accept_error
	handshakes    *prometheus.CounterVec // full, resumed, failed
	registrations *prometheus.CounterVec // primary, transient, again, and the reasons of refusal
	portReuse     *prometheus.CounterVec // unknown, works, broken: what nodes found of their port
	dials         *prometheus.CounterVec // introduced, joined, not_here, limited
	rounds        *prometheus.CounterVec // 1, 2, 3: begun
	attempts      *prometheus.CounterVec // direct, relayed, gave_up, rounds, timeout, peer_gone: ended
	holes         *prometheus.CounterVec // observed, address_limit, failed, forged
	proofs        *prometheus.CounterVec // of mapped ports: proven, unproven, elsewhere, limited
	closed        *prometheus.CounterVec // main connections: by_node, silent, slow, unregistered, refused, broken
	skew          prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, s *Server) (*metrics, error) {
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bodkin", Subsystem: "server", Name: name, Help: help}, []string{label})
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "bodkin", Subsystem: "server", Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	m := &metrics{
		accepts:       counter("accepts_total", "Main connections accepted or turned away.", "outcome"),
		handshakes:    counter("handshakes_total", "TLS handshakes.", "outcome"),
		registrations: counter("registrations_total", "Registrations of nodes.", "outcome"),
		portReuse:     counter("port_reuse_total", "Registrations by what the node found of its port.", "outcome"),
		dials:         counter("dials_total", "Requests for an introduction.", "outcome"),
		rounds:        counter("rounds_total", "Rounds of attempts begun.", "round"),
		attempts:      counter("attempts_total", "Attempts ended.", "outcome"),
		holes:         counter("hole_connections_total", "Hole connections.", "outcome"),
		proofs:        counter("proofs_total", "Mapped ports that nodes asked to be proven.", "outcome"),
		closed:        counter("closed_total", "Main connections ended.", "outcome"),
		skew: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "bodkin", Subsystem: "server", Name: "introduction_skew_seconds",
			Help: "Time between the introductions to the two sides.", Buckets: prometheus.ExponentialBuckets(2e-6, 2, 16)}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.accepts, m.handshakes, m.registrations, m.portReuse, m.dials, m.rounds, m.attempts, m.holes, m.proofs, m.closed, m.skew,
		gauge("connections", "Main connections open.", s.table.count),
		gauge("nodes", "Reachable nodes registered.", func() int { _, nodes := s.registry.count(); return nodes }),
		gauge("rooms", "Rooms with a connection.", func() int { rooms, _ := s.registry.count(); return rooms }),
		gauge("attempts_running", "Attempts under way.", s.attempts.count),
	} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func count(c *prometheus.CounterVec, outcome string) { c.WithLabelValues(outcome).Inc() }
