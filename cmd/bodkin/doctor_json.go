package main

import (
	"net/netip"

	"github.com/bodkin-p2p/bodkin"
)

// diagnosisObject is a diagnosis as JSON has it.
type diagnosisObject struct {
	Verdict     string            `json:"verdict"`
	Complete    bool              `json:"complete"`
	Server      string            `json:"server"`
	Reflexive   netip.AddrPort    `json:"reflexive"`
	RTT         float64           `json:"rtt_ms"`
	HTTPProxy   bool              `json:"http_proxy"`
	PortReuse   bool              `json:"port_reuse"`
	IPv4        behaviorObject    `json:"ipv4"`
	IPv6        behaviorObject    `json:"ipv6"`
	PortMapping portMappingObject `json:"port_mapping"`
	Prospects   []prospectObject  `json:"prospects"`
	Advice      []string          `json:"advice"`
	Samples     []sampleObject    `json:"samples"`
	DialBacks   []dialBackObject  `json:"dial_backs"`
}

type behaviorObject struct {
	Classic     string  `json:"classic"`
	Mapping     string  `json:"mapping"`
	Filtering   string  `json:"filtering"`
	Unsolicited string  `json:"unsolicited"`
	Allocation  string  `json:"allocation"`
	Delta       int     `json:"delta"`
	Rate        int     `json:"rate"`
	BlockFirst  uint16  `json:"block_first"`
	BlockLast   uint16  `json:"block_last"`
	Pooling     string  `json:"pooling"`
	Hairpin     string  `json:"hairpin"`
	Lifetime    float64 `json:"lifetime_s"`
	Proxied     bool    `json:"transparent_proxy"`
}

type portMappingObject struct {
	Gateway  netip.Addr     `json:"gateway"`
	Protocol string         `json:"protocol"`
	External netip.AddrPort `json:"external"`
	Proven   bool           `json:"proven"`
	Problem  string         `json:"problem"`
}

type prospectObject struct {
	Peers  string `json:"peers"`
	Direct bool   `json:"direct"`
	How    string `json:"how"`
	Why    string `json:"why"`
}

type sampleObject struct {
	Local  netip.AddrPort `json:"local"`
	Server netip.AddrPort `json:"server"`
	Seen   netip.AddrPort `json:"seen"`
}

type dialBackObject struct {
	From   netip.Addr     `json:"from"`
	To     netip.AddrPort `json:"to"`
	Answer string         `json:"answer"`
	Fresh  bool           `json:"fresh"`
}

func diagnosisJSON(d bodkin.Diagnosis) diagnosisObject {
	behavior := func(b bodkin.Behavior) behaviorObject {
		return behaviorObject{Classic: b.Classic, Mapping: b.Mapping, Filtering: b.Filtering, Unsolicited: b.Unsolicited,
			Allocation: b.Allocation, Delta: b.Delta, Rate: b.Rate, BlockFirst: b.BlockFirst, BlockLast: b.BlockLast,
			Pooling: b.Pooling, Hairpin: b.Hairpin, Lifetime: b.Lifetime.Seconds(), Proxied: b.Proxied}
	}
	m := d.PortMapping
	o := diagnosisObject{
		Verdict: verdict(d), Complete: d.Complete, Server: d.Server, Reflexive: d.Reflexive, RTT: millis(d.RTT), HTTPProxy: d.Proxied,
		PortReuse: d.PortReuse, IPv4: behavior(d.IPv4), IPv6: behavior(d.IPv6),
		PortMapping: portMappingObject{m.Gateway, m.Protocol, m.External, m.Proven, m.Problem},
		// [], not null, where there is nothing
		Prospects: []prospectObject{}, Advice: append([]string{}, d.Advice...), Samples: []sampleObject{}, DialBacks: []dialBackObject{},
	}
	for _, p := range d.Prospects {
		o.Prospects = append(o.Prospects, prospectObject(p))
	}
	for _, s := range d.Samples {
		o.Samples = append(o.Samples, sampleObject(s))
	}
	for _, b := range d.DialBacks {
		o.DialBacks = append(o.DialBacks, dialBackObject(b))
	}
	return o
}
