package wire

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

func TestEachLimitIsEnforced(t *testing.T) {
	register := func(change func(*Register)) proto.Message {
		r := proto.CloneOf(samples()[0].(*ClientMessage))
		change(r.GetRegister())
		return r
	}
	introduction := func(change func(*Introduction)) proto.Message {
		for _, m := range samples() {
			if s, ok := m.(*ServerMessage); ok && s.GetIntroduction() != nil {
				change(s.GetIntroduction())
				return s
			}
		}
		panic("no introduction among the samples")
	}
	welcome := func(change func(*Welcome)) proto.Message {
		for _, m := range samples() {
			if s, ok := m.(*ServerMessage); ok && s.GetWelcome() != nil {
				change(s.GetWelcome())
				return s
			}
		}
		panic("no welcome among the samples")
	}
	bad := &Endpoint{Ip: []byte{1, 2, 3}, Port: 1}
	good := NewEndpoint(netip.MustParseAddrPort("198.51.100.7:40000"))
	asked := func(change func(*Further)) proto.Message {
		f := further(good, good)
		change(f)
		return &Ask{Body: &Ask_Further{Further: f}}
	}
	mapped := &Endpoint{Ip: netip.MustParseAddr("::ffff:10.0.0.1").AsSlice(), Port: 1}
	cases := map[string]proto.Message{
		"sealed profile too long": register(func(r *Register) { r.SealedProfile = make([]byte, MaxSealedProfile+1) }),
		"no sealed profile":       register(func(r *Register) { r.SealedProfile = nil }),
		"short name tag":          register(func(r *Register) { r.NameTag = r.NameTag[1:] }),
		"nobody's introduction":   introduction(func(i *Introduction) { i.NameTag = nil }),
		"presence without a name": &ServerMessage{Body: &ServerMessage_Presence{Presence: &Presence{Kind: Presence_KIND_JOINED, Node: make([]byte, 32)}}},
		"a name of who has left": &ServerMessage{Body: &ServerMessage_Presence{Presence: &Presence{Kind: Presence_KIND_LEFT,
			Node: make([]byte, 32), NameTag: make([]byte, NameTagLen)}}},
		"software with a bell":  register(func(r *Register) { r.Software = "\a" }),
		"dial nobody":           &ClientMessage{Body: &ClientMessage_Dial{Dial: &Dial{}}},
		"dial half an id":       &ClientMessage{Body: &ClientMessage_Dial{Dial: &Dial{Target: &Dial_Node{Node: make([]byte, 16)}}}},
		"nil register":          &ClientMessage{Body: &ClientMessage_Register{}},
		"report of round 4":     &ClientMessage{Body: &ClientMessage_Report{Report: &Report{Attempt: make([]byte, 16), Round: 4}}},
		"round 0":               introduction(func(i *Introduction) { i.Round = 0 }),
		"no role":               introduction(func(i *Introduction) { i.Role = 0 }),
		"role from the future":  introduction(func(i *Introduction) { i.Role = 3 }),
		"relay without a token": introduction(func(i *Introduction) { i.Relay = &RelayOffer{} }),
		"half a kept token":     introduction(func(i *Introduction) { i.Kept = make([]byte, MinTokenLen-1) }),
		"a kept book":           introduction(func(i *Introduction) { i.Kept = make([]byte, MaxTokenLen+1) }),
		"relay from afar":       introduction(func(i *Introduction) { i.Relay = &RelayOffer{Token: make([]byte, 16), RttUs: MaxRTTMicros + 1} }),
		"relay after an hour":   introduction(func(i *Introduction) { i.Relay = &RelayOffer{Token: make([]byte, 16), HeadStartUs: 3_600_000_000} }),
		"end of no relay":       &ServerMessage{Body: &ServerMessage_RelayOver{RelayOver: &RelayOver{}}},
		"observed in five places": introduction(func(i *Introduction) {
			i.Observed = append(i.Observed, i.Observed[:1]...)
			i.Observed = append(i.Observed, i.Observed[:2]...)
		}),
		"mapped in three places": introduction(func(i *Introduction) {
			i.Mapped = append(i.Mapped, i.Observed...)
			i.Mapped = append(i.Mapped, i.Observed...)
		}),
		"mapped nowhere":               introduction(func(i *Introduction) { i.Mapped = []*Endpoint{bad} }),
		"proof without key":            &ClientMessage{Body: &ClientMessage_Mapped{Mapped: &Mapped{Endpoint: &Endpoint{Ip: []byte{1, 2, 3, 4}, Port: 1}}}},
		"proof of no address":          &ClientMessage{Body: &ClientMessage_Mapped{Mapped: &Mapped{Endpoint: bad, Key: make([]byte, ProofLen)}}},
		"key for nothing":              &ClientMessage{Body: &ClientMessage_Mapped{Mapped: &Mapped{Key: make([]byte, ProofLen)}}},
		"a step of a thousand ports":   register(func(r *Register) { r.Behavior.Delta = -MaxDelta - 1 }),
		"more mappings than a NAT has": register(func(r *Register) { r.Behavior6.Rate = MaxRate + 1 }),
		"a block that ends first":      introduction(func(i *Introduction) { i.Behavior.BlockLast-- }),
		"a block beyond the last port": introduction(func(i *Introduction) { i.Behavior.BlockLast++ }),
		"a block that wraps":           introduction(func(i *Introduction) { i.Behavior.BlockLast = 1<<32 - 1 }),
		"dialled back without a key":   &ClientMessage{Body: &ClientMessage_DialBack{DialBack: &DialBack{Key: make([]byte, ProofLen-1)}}},
		"dialled back to nowhere": &ServerMessage{Body: &ServerMessage_DialledBack{DialledBack: &DialledBack{Tries: []*DialBackTry{
			{To: bad, From: []byte{1, 2, 3, 4}}}}}},
		"dialled back from nowhere": &ServerMessage{Body: &ServerMessage_DialledBack{DialledBack: &DialledBack{Tries: []*DialBackTry{
			{From: []byte{1, 2, 3}, To: &Endpoint{Ip: []byte{1, 2, 3, 4}, Port: 1}}}}}},
		"dialled back five times":    &ServerMessage{Body: &ServerMessage_DialledBack{DialledBack: &DialledBack{Tries: make([]*DialBackTry, MaxDialBacks+1)}}},
		"a hole on no address":       welcome(func(w *Welcome) { w.Holes = []*Endpoint{bad} }),
		"nine holes elsewhere":       welcome(func(w *Welcome) { w.Holes = make([]*Endpoint, MaxHolePorts+1) }),
		"a closed port beyond":       welcome(func(w *Welcome) { w.ClosedPort = 65536 }),
		"a lifetime of days":         introduction(func(i *Introduction) { i.Behavior6.LifetimeS++ }),
		"a mapping nowhere":          introduction(func(i *Introduction) { i.Behavior6.Last = bad }),
		"a sample nowhere":           introduction(func(i *Introduction) { i.Sample = bad }),
		"a second port nowhere":      introduction(func(i *Introduction) { i.Fresh = bad }),
		"a sample for no attempt":    &ServerMessage{Body: &ServerMessage_Sample{Sample: &Sample{}}},
		"a sample of half an id":     &HoleHello{Token: make([]byte, MinTokenLen), Attempt: make([]byte, 8)},
		"three-byte address":         introduction(func(i *Introduction) { i.Observed[0] = bad }),
		"IPv4-mapped address":        introduction(func(i *Introduction) { i.Observed[0] = mapped }),
		"port 0":                     &Observed{Endpoint: &Endpoint{Ip: []byte{1, 2, 3, 4}}, ServerPort: 1},
		"port 65536":                 &Observed{Endpoint: &Endpoint{Ip: []byte{1, 2, 3, 4}, Port: 65536}, ServerPort: 1},
		"an hour's delay":            introduction(func(i *Introduction) { i.DelayUs = 3_600_000_000 }),
		"a delay that wraps":         introduction(func(i *Introduction) { i.DelayUs = 1<<32 - 1 }),
		"no deadline":                introduction(func(i *Introduction) { i.DeadlineMs = 0 }),
		"short token":                &HoleHello{Token: make([]byte, MinTokenLen-1)},
		"held for days":              &HoleHello{Token: make([]byte, MinTokenLen), HoldS: MaxHold + 1},
		"long token":                 &HoleHello{Token: make([]byte, MaxTokenLen+1)},
		"nameless profile":           &Profile{},
		"profile of many candidates": &Profile{Name: "a", Candidates: make([]*Candidate, MaxCandidates+1)},
		"service with a newline":     &StreamOpen{Service: "a\nb"},
		"service with no name":       &StreamOpen{},
		"reason not UTF-8":           &StreamAnswer{Reason: "\xff"},
		"long reason":                &StreamAnswer{Reason: strings.Repeat("a", MaxText+1)},
		"not a frame of its own":     &Endpoint{},
		"another of no attempt":      asked(func(f *Further) { f.Attempt = nil }),
		"another from the future":    asked(func(f *Further) { f.Fresh = Further_FRESH_ASKED + 1 }),
		"another without a half":     asked(func(f *Further) { f.Half = nil }),
		"nil another":                &Ask{Body: &Ask_Further{}},
		"another after an hour":      asked(func(f *Further) { f.RttUs = MaxRTTMicros + 1 }),
		"half of many candidates":    asked(func(f *Further) { f.Half.Candidates = make([]*Candidate, MaxCandidates+1) }),
		"half nowhere":               asked(func(f *Further) { f.Half.Outside[0] = bad }),
		"half in five places":        asked(func(f *Further) { f.Half.Outside = make([]*Endpoint, MaxObserved+1) }),
		"half with a silly step":     asked(func(f *Further) { f.Half.Behavior.Delta = MaxDelta + 1 }),
		"half with a silly block":    asked(func(f *Further) { f.Half.Behavior6.BlockLast-- }),
		"half with no candidate":     asked(func(f *Further) { f.Half.Candidates[0].Endpoint = nil }),
		"call nobody":                &Ask{Body: &Ask_Call{Call: &Call{Sealed: []byte{1}}}},
		"call with nothing":          &Ask{Body: &Ask_Call{Call: &Call{Node: make([]byte, NodeIDLen)}}},
		"call with too much":         &Ask{Body: &Ask_Call{Call: &Call{Node: make([]byte, NodeIDLen), Sealed: make([]byte, MaxSealedProfile+1)}}},
		"nil call":                   &Ask{Body: &Ask_Call{}},
		"nil called":                 &Ask{Body: &Ask_Called{}},
		"called by nobody":           &Ask{Body: &Ask_Called{Called: &Called{Sealed: []byte{1}, Observed: good}}},
		"called with nothing":        &Ask{Body: &Ask_Called{Called: &Called{Node: make([]byte, NodeIDLen), Observed: good}}},
		"called from nowhere":        &Ask{Body: &Ask_Called{Called: &Called{Node: make([]byte, NodeIDLen), Sealed: []byte{1}}}},
		"called from afar": &Ask{Body: &Ask_Called{Called: &Called{Node: make([]byte, NodeIDLen), Sealed: []byte{1}, Observed: good,
			RttUs: MaxRTTMicros + 1}}},
		"answer with half a place": &Reply{Observed: bad},
		"answer with a bad half":   &Reply{Half: &Half{Outside: []*Endpoint{bad}}},
		"answer with too much":     &Reply{Sealed: make([]byte, MaxSealedProfile+1)},
	}
	for name, m := range cases {
		if err := Validate(m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
		if _, err := Append(nil, m); err == nil {
			t.Errorf("%s: Append wrote it", name)
		}
	}
}

func TestTheLargestLegalMessageFitsAFrame(t *testing.T) {
	failures := make([]*PairFailure, MaxFailures)
	for i := range failures {
		failures[i] = &PairFailure{Remote: &Endpoint{Ip: make([]byte, 16), Port: 65535}, Kind: FailureKind_FAILURE_KIND_OTHER}
	}
	for _, m := range []proto.Message{
		&ClientMessage{Body: &ClientMessage_Report{Report: &Report{Attempt: make([]byte, 16), Round: 3, Failures: failures}}},
		&ClientMessage{Body: &ClientMessage_Register{Register: &Register{SealedProfile: make([]byte, MaxSealedProfile),
			NameTag: make([]byte, NameTagLen), Software: strings.Repeat("s", MaxSoftware),
			Behavior: behaved(failures[0].Remote), Behavior6: behaved(failures[0].Remote)}}},
	} {
		frame, err := Append(nil, m)
		if err != nil || len(frame) > 4<<10 {
			t.Errorf("%d bytes, %v", len(frame), err)
		}
	}
}

func TestPrefaceRoutesAndRefuses(t *testing.T) {
	want := Preface{Attempt: AttemptID{1, 2, 3}}
	sent := want.Append(nil)
	if len(sent) != PrefaceLen {
		t.Fatalf("preface of %d bytes, want %d", len(sent), PrefaceLen)
	}
	if got, err := ParsePreface(sent); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for i := range 6 {
		changed := append([]byte(nil), sent...)
		changed[i] ^= 1
		if _, err := ParsePreface(changed); !errors.Is(err, ErrMalformed) {
			t.Errorf("byte %d changed: %v, want ErrMalformed", i, err)
		}
	}
	if _, err := ParsePreface(sent[1:]); !errors.Is(err, ErrMalformed) {
		t.Errorf("short preface: %v, want ErrMalformed", err)
	}
}

func TestEndpointsKeepTheirAddress(t *testing.T) {
	for sent, want := range map[string]string{
		"192.0.2.1:80":           "192.0.2.1:80",
		"[2001:db8::1]:65535":    "[2001:db8::1]:65535",
		"[::ffff:192.0.2.1]:443": "192.0.2.1:443",
	} {
		if got := NewEndpoint(netip.MustParseAddrPort(sent)).AddrPort().String(); got != want {
			t.Errorf("%s: got %s, want %s", sent, got, want)
		}
	}
	if got := (*Endpoint)(nil).AddrPort(); got.IsValid() {
		t.Errorf("nil endpoint: got %v", got)
	}
}
