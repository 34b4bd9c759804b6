package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodkin-p2p/bodkin/internal/identity"
	"github.com/bodkin-p2p/bodkin/internal/relay"
	rendezvous "github.com/bodkin-p2p/bodkin/internal/rendezvous/server"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// openRelay makes the relay, unless there is to be none, and joins it with the rendezvous server: the one hands out its tokens and
// knows the nodes, the other carries their bytes.
func (s *Server) openRelay() (*rendezvous.Relay, error) {
	if s.config.NoRelay {
		return nil, nil
	}
	wrapping, err := identity.RelayServerConfig(s.key)
	if err != nil {
		return nil, err
	}
	s.relay = relay.NewServer(relay.Config{
		Limits: s.config.RelayLimits,
		Secret: s.key.Derive("bodkin relay"),
		Over: func(o relay.Owner, attempt wire.AttemptID, status wire.RelayStatus) {
			s.rendezvous.RelayOver(o.Connection, attempt, status)
		},
		Log: s.config.Log,
	})
	s.registry.MustRegister(relayMetrics{s.relay})
	return &rendezvous.Relay{
		Token: func(attempt wire.AttemptID, role wire.Role, node, room, connection uint64) []byte {
			return s.relay.Token(relay.Ticket{Attempt: attempt, Role: role, Owner: relay.Owner{Node: node, Room: room, Connection: connection}})
		},
		Keep: func(attempt wire.AttemptID, role wire.Role, node, room, connection uint64) []byte {
			return s.relay.Keep(relay.Ticket{Attempt: attempt, Role: role, Owner: relay.Owner{Node: node, Room: room, Connection: connection}})
		},
		Take: s.relay.Take,
		TLS:  wrapping,
	}, nil
}

// serveRelay relays until ctx ends.
func (s *Server) serveRelay(ctx context.Context) {
	if s.relay == nil {
		<-ctx.Done()
		return
	}
	s.relay.Serve(ctx)
}

// relayMetrics is the relay's figures, read when they are asked for.
type relayMetrics struct{ relay *relay.Server }

var (
	relayBytes   = prometheus.NewDesc("bodkin_relay_bytes_total", "Bytes relayed, both ways together.", nil, nil)
	relayPairs   = prometheus.NewDesc("bodkin_relay_pairs", "Pairs of nodes that are being relayed.", nil, nil)
	relayWaiting = prometheus.NewDesc("bodkin_relay_waiting", "Relayed connections whose other side has not come.", nil, nil)
	relayCame    = prometheus.NewDesc("bodkin_relay_connections_total", "Connections that came to the relay.", nil, nil)
	relayJoined  = prometheus.NewDesc("bodkin_relay_joined_total", "Pairs that were joined.", nil, nil)
	relayRefused = prometheus.NewDesc("bodkin_relay_refused_total", "Relayed connections that were refused.", []string{"reason"}, nil)
	relayEnded   = prometheus.NewDesc("bodkin_relay_ended_total", "Relayed pairs that ended.", []string{"reason"}, nil)
)

// Describe implements prometheus.Collector.
func (m relayMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m relayMetrics) Collect(to chan<- prometheus.Metric) {
	stats := m.relay.Stats()
	to <- prometheus.MustNewConstMetric(relayBytes, prometheus.CounterValue, float64(stats.Bytes))
	to <- prometheus.MustNewConstMetric(relayCame, prometheus.CounterValue, float64(stats.Came))
	to <- prometheus.MustNewConstMetric(relayJoined, prometheus.CounterValue, float64(stats.Joined))
	to <- prometheus.MustNewConstMetric(relayPairs, prometheus.GaugeValue, float64(stats.Pairs))
	to <- prometheus.MustNewConstMetric(relayWaiting, prometheus.GaugeValue, float64(stats.Waiting))
	for reason, n := range stats.Refused {
		to <- prometheus.MustNewConstMetric(relayRefused, prometheus.CounterValue, float64(n), reason)
	}
	for reason, n := range stats.Ended {
		to <- prometheus.MustNewConstMetric(relayEnded, prometheus.CounterValue, float64(n), reason)
	}
}
