package main

import (
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/natbehavior"
	"github.com/bodkin-p2p/bodkin/internal/rounds"
	"github.com/bodkin-p2p/bodkin/natlab"
)

// report is what a node behind the box measures, if it measures well.
func (b box) report() rounds.Side {
	s := b.side()
	if s.public {
		return rounds.Side{Report: natbehavior.Report{Mapping: natbehavior.None, Filtering: natbehavior.None}}
	}
	dependences := map[natlab.Dependence]natbehavior.Dependence{
		natlab.EndpointIndependent:     natbehavior.EndpointIndependent,
		natlab.AddressDependent:        natbehavior.AddressDependent,
		natlab.AddressAndPortDependent: natbehavior.AddressAndPortDependent,
	}
	r := natbehavior.Report{Mapping: dependences[s.mapping], Filtering: dependences[s.filtering], Search: true}
	switch {
	case s.isEIM():
		r.Allocation = natbehavior.Preserving
	case s.allocated == natlab.PortSequential:
		r.Allocation, r.Delta, r.Rate = natbehavior.Delta, 1, int(b.traffic)
	case s.allocated == natlab.PortBlock:
		r.Allocation, r.BlockFirst, r.BlockLast = natbehavior.Block, 2048, 2559
	default:
		r.Allocation = natbehavior.Random
	}
	return rounds.Side{Report: r}
}

// The product's planner and this command's theory were written apart. What theory allows must be in the plan; that two NATs which refuse
// simultaneous open do not meet is nothing a plan can know, and IPv6 has a plan of its own.
func TestThePlannerExpectsWhatTheoryAllows(t *testing.T) {
	ways := map[prospect]rounds.Way{certain: rounds.Crossing, predicted: rounds.Prediction, search: rounds.Search, forbidden: 0}
	for _, near := range boxes() {
		for _, far := range boxes() {
			if near.shared != apart || far.shared != apart || near.side().oneWay && far.side().oneWay || near.ipv6 && far.ipv6 {
				continue
			}
			want := pair{near, far}.theory().Prospect
			way := rounds.Expected(near.report(), far.report())
			if want == mutual {
				if way != rounds.Prediction && way != 0 {
					t.Errorf("%s to %s: the planner expects %v, want a prediction or nothing", near.name, far.name, way)
				}
				continue
			}
			if way != ways[want] {
				t.Errorf("%s to %s: the planner expects %v, theory says %s", near.name, far.name, way, want)
			}
		}
	}
}
