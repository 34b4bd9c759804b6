package natbehavior

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// A Sample is one connection to the server.
type Sample struct {
	Local  netip.AddrPort // the node's end
	Server netip.AddrPort // the server's
	Seen   netip.AddrPort // where the server saw it come from
	At     time.Time      // when its SYN left
}

// A DialBack is a connection that the server tried to open to where it saw the node.
type DialBack struct {
	From   netip.Addr     // of the server; the port was a new one
	To     netip.AddrPort // the mapping of the node's port
	Answer Answer
	Fresh  bool // no SYN from the node's port has gone to From's address: nothing there was let in before
}

// Evidence is what was seen of one address family.
type Evidence struct {
	Samples   []Sample
	DialBacks []DialBack
	Hairpin   Ternary
	Lifetime  time.Duration
	Proxied   bool
}

// Classify tells what the evidence shows. Of contradictions the worse counts: a plan for it works in the better case too.
func Classify(e Evidence) Report {
	samples := slices.Clone(e.Samples)
	samples = slices.DeleteFunc(samples, func(s Sample) bool { return !s.Seen.IsValid() || !s.Local.IsValid() })
	slices.SortStableFunc(samples, func(a, b Sample) int { return a.At.Compare(b.At) })
	r := Report{
		Mapping:  mapping(samples),
		Pooling:  pooling(samples),
		Hairpin:  e.Hairpin,
		Lifetime: e.Lifetime,
		Proxied:  e.Proxied,
	}
	if len(samples) > 0 {
		newest := samples[len(samples)-1]
		r.Last, r.LastAt = newest.Seen, newest.At
	}
	allocate(&r, samples)
	filter(&r, e.DialBacks)
	return r
}

// mapping compares the mappings of each local port with each other. Samples are of one address family.
func mapping(samples []Sample) Dependence {
	if len(samples) == 0 {
		return Unknown
	}
	if !slices.ContainsFunc(samples, func(s Sample) bool { return s.Seen != s.Local }) {
		return None
	}
	found := Unknown
	for i, a := range samples {
		for _, b := range samples[i+1:] {
			if a.Local.Port() == b.Local.Port() && a.Server != b.Server {
				found = max(found, compare(a, b))
			}
		}
	}
	return found
}

// compare tells what two connections of one local port to different endpoints show.
func compare(a, b Sample) Dependence {
	switch {
	case a.Seen == b.Seen:
		return EndpointIndependent
	case a.Server.Addr() == b.Server.Addr():
		return AddressAndPortDependent
	}
	return AddressDependent
}

// pooling needs three mappings to say that there is one address: chance puts two of a pair on one every other time.
func pooling(samples []Sample) Pooling {
	mappings := mappings(samples)
	for _, m := range mappings {
		if m.Seen.Addr() != mappings[0].Seen.Addr() {
			return Arbitrary
		}
	}
	if len(mappings) < 3 {
		return PoolingUnknown
	}
	return Paired
}

// mappings is the first sample of each mapping, in the order in which they were made.
func mappings(samples []Sample) []Sample {
	var distinct []Sample
	for _, s := range samples {
		isKnown := func(d Sample) bool { return d.Local.Port() == s.Local.Port() && d.Seen == s.Seen }
		if !slices.ContainsFunc(distinct, isKnown) {
			distinct = append(distinct, s)
		}
	}
	return distinct
}

// filter takes the answers to SYNs from endpoints that the node has not sent to.
func filter(r *Report, tried []DialBack) {
	opens, closed := false, false // to another port of an address that the node talks to
	opensFar, closedFar := false, false
	for _, d := range tried {
		r.Unsolicited = worse(r.Unsolicited, d.Answer)
		switch {
		case d.Answer == AnswerUnknown:
		case d.Answer == Accepted && d.Fresh:
			opensFar = true
		case d.Answer == Accepted:
			opens = true
		case d.Fresh:
			closedFar = true
		default:
			closed = true
		}
	}
	switch {
	case closed:
		r.Filtering = AddressAndPortDependent
	case closedFar && opens:
		r.Filtering = AddressDependent
	case closedFar: // from nowhere else was it tried
		r.Filtering = AddressAndPortDependent
	case opensFar && r.Mapping == None, opens && r.Mapping == None:
		r.Filtering = None
	case opensFar:
		r.Filtering = EndpointIndependent
	case opens:
		r.Filtering = AddressDependent
	}
}

// worse is the answer that a plan has to provide for: a refusal, if there was one anywhere.
func worse(a, b Answer) Answer {
	order := []Answer{AnswerUnknown, Accepted, Dropped, ICMP, Reset}
	if cmp.Compare(slices.Index(order, a), slices.Index(order, b)) < 0 {
		return b
	}
	return a
}
