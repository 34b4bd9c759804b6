package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"
)

// samples is one legal message of each kind that travels as a frame of its own.
func samples() []proto.Message {
	id := bytes.Repeat([]byte{7}, NodeIDLen)
	attempt := bytes.Repeat([]byte{9}, AttemptIDLen)
	tag := bytes.Repeat([]byte{3}, NameTagLen)
	v4 := NewEndpoint(netip.MustParseAddrPort("198.51.100.7:40000"))
	v6 := NewEndpoint(netip.MustParseAddrPort("[2001:db8::7]:40000"))
	return []proto.Message{
		&ClientMessage{Body: &ClientMessage_Register{Register: &Register{Version: Version, SealedProfile: []byte("sealed"),
			NameTag: tag, Primary: true, PortReuse: PortReuse_PORT_REUSE_WORKS, Software: "bodkin/1", Behavior: behaved(v4), Behavior6: behaved(v6)}}},
		&ClientMessage{Body: &ClientMessage_Dial{Dial: &Dial{Request: 1, Target: &Dial_Node{Node: id}}}},
		&ClientMessage{Body: &ClientMessage_Dial{Dial: &Dial{Request: 2, Target: &Dial_NameTag{NameTag: tag}}}},
		&ClientMessage{Body: &ClientMessage_Report{Report: &Report{Attempt: attempt, Round: 1,
			Failures: []*PairFailure{{Remote: v4, Kind: FailureKind_FAILURE_KIND_REFUSED}}}}},
		&ClientMessage{Body: &ClientMessage_Finished{Finished: &Finished{Attempt: attempt, Direct: true, Round: 2}}},
		&ClientMessage{Body: &ClientMessage_Ping{Ping: &Ping{RttUs: 40_000}}},
		&ClientMessage{Body: &ClientMessage_Watch{Watch: &Watch{On: true}}},
		&ClientMessage{Body: &ClientMessage_Mapped{Mapped: &Mapped{Endpoint: v4, Key: make([]byte, ProofLen)}}},
		&ServerMessage{Body: &ServerMessage_MappedProof{MappedProof: &MappedProof{Endpoint: v4, Code: MappedProof_CODE_PROVEN}}},
		&ServerMessage{Body: &ServerMessage_Welcome{Welcome: &Welcome{Observed: v4, HolePorts: []uint32{8000},
			HoleToken: make([]byte, 24), PingIntervalMs: 20_000, Holes: []*Endpoint{v4, v6}, ClosedPort: 65535}}},
		&ClientMessage{Body: &ClientMessage_DialBack{DialBack: &DialBack{Number: 1, Key: make([]byte, ProofLen)}}},
		&ServerMessage{Body: &ServerMessage_DialledBack{DialledBack: &DialledBack{Number: 1, Tries: []*DialBackTry{{To: v4, From: v4.Ip, OtherAddress: true}}}}},
		&ServerMessage{Body: &ServerMessage_Refused{Refused: &Refused{Code: Refused_CODE_ROOM, Text: "no such room"}}},
		&ServerMessage{Body: &ServerMessage_Observed{Observed: &Observed{Endpoint: v6, ServerPort: 8000}}},
		&ServerMessage{Body: &ServerMessage_Introduction{Introduction: &Introduction{Attempt: attempt, Request: 1, Round: 1,
			Role: Role_ROLE_DIALER, Peer: id, SealedProfile: []byte("sealed"), NameTag: tag, Observed: []*Endpoint{v4, v6}, Mapped: []*Endpoint{v4}, DeadlineMs: 6000,
			Behavior: behaved(v4), Behavior6: behaved(v6), Sample: v4, Fresh: v6}}},
		&ServerMessage{Body: &ServerMessage_Sample{Sample: &Sample{Attempt: attempt, Keep: true}}},
		&ServerMessage{Body: &ServerMessage_DialFailed{DialFailed: &DialFailed{Request: 1, Code: DialFailed_CODE_NOT_HERE}}},
		&ServerMessage{Body: &ServerMessage_AttemptOver{AttemptOver: &AttemptOver{Attempt: attempt}}},
		&ServerMessage{Body: &ServerMessage_Presence{Presence: &Presence{Kind: Presence_KIND_LEFT, Node: id}}},
		&ServerMessage{Body: &ServerMessage_Presence{Presence: &Presence{Kind: Presence_KIND_JOINED, Node: id, SealedProfile: []byte("sealed"), NameTag: tag}}},
		&ServerMessage{Body: &ServerMessage_SnapshotEnd{SnapshotEnd: &SnapshotEnd{}}},
		&ServerMessage{Body: &ServerMessage_Pong{Pong: &Pong{}}},
		&HoleHello{Token: make([]byte, 24), Sample: true, HoldS: MaxHold},
		&HoleHello{Token: make([]byte, 24), Sample: true, Attempt: attempt},
		&Observed{Endpoint: v4, ServerPort: 8000},
		&Profile{Name: "laptop", Candidates: []*Candidate{{Type: CandidateType_CANDIDATE_TYPE_HOST, Endpoint: v4}}},
		&Nominate{Attempt: attempt},
		&StreamOpen{Service: "ssh"},
		&StreamAnswer{Code: StreamAnswer_CODE_NO_SERVICE, Reason: "nobody listens"},
		&Ask{Body: &Ask_Further{Further: further(v4, v6)}},
		&Ask{Body: &Ask_Call{Call: &Call{Node: id, Sealed: []byte("sealed")}}},
		&Ask{Body: &Ask_Called{Called: &Called{Node: id, Sealed: []byte("sealed"), Observed: v4, RttUs: MaxRTTMicros}}},
		&Reply{Code: Reply_CODE_BEGUN, Half: further(v4, v6).Half},
		&Reply{Code: Reply_CODE_BEGUN, Sealed: []byte("sealed"), Observed: v6},
		&Reply{Code: Reply_CODE_NOT_HERE},
		further(v4, v6),
		further(v4, v6).Half,
	}
}

// further is a Further with all its fields.
func further(v4, v6 *Endpoint) *Further {
	return &Further{Attempt: bytes.Repeat([]byte{9}, AttemptIDLen), Fresh: Further_FRESH_ASKER, RttUs: MaxRTTMicros, Half: &Half{
		Candidates: []*Candidate{{Type: CandidateType_CANDIDATE_TYPE_HOST, Endpoint: v4}}, Outside: []*Endpoint{v4, v6}, Mapped: true,
		Behavior: behaved(v4), Behavior6: behaved(v6)}}
}

// behaved is a Behavior with all its fields, at their limits where they have some.
func behaved(last *Endpoint) *Behavior {
	return &Behavior{Mapping: Dependence_DEPENDENCE_ADDRESS_AND_PORT, Filtering: Dependence_DEPENDENCE_ADDRESS_AND_PORT,
		Unsolicited: UnsolicitedAnswer_UNSOLICITED_ANSWER_ICMP, Allocation: PortAllocation_PORT_ALLOCATION_DELTA, Delta: -MaxDelta, Rate: MaxRate,
		BlockFirst: 65535, BlockLast: 65535, Last: last, LastAgeMs: 1<<32 - 1, Pooling: PortPooling_PORT_POOLING_ARBITRARY,
		Hairpin: Ternary_TERNARY_NO, LifetimeS: MaxLifetime, Proxied: true, Search: true}
}

func blank(m proto.Message) proto.Message { return m.ProtoReflect().New().Interface() }

func TestEveryMessageComesBackAsItWasSent(t *testing.T) {
	for _, want := range samples() {
		frame, err := Append(nil, want)
		if err != nil {
			t.Fatalf("%T: %v", want, err)
		}
		read, decoded := blank(want), blank(want)
		if err := Read(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(frame))), read); err != nil {
			t.Errorf("Read %T: %v", want, err)
		}
		n, err := Decode(append(frame, "rest"...), decoded)
		if err != nil || n != len(frame) {
			t.Errorf("Decode %T: took %d bytes of %d, %v", want, n, len(frame), err)
		}
		if !proto.Equal(read, want) || !proto.Equal(decoded, want) {
			t.Errorf("%T: read %v, decoded %v, want %v", want, read, decoded, want)
		}
	}
}

func TestAPartOfAFrameIsShortAndNothingElse(t *testing.T) {
	for _, want := range samples() {
		frame, err := Append(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range len(frame) {
			if _, err := Decode(frame[:cut], blank(want)); !errors.Is(err, ErrShort) {
				t.Errorf("Decode of %d of %d bytes of %T: %v, want ErrShort", cut, len(frame), want, err)
			}
			wantErr := io.ErrUnexpectedEOF
			if cut == 0 {
				wantErr = io.EOF
			}
			if err := Read(bufio.NewReader(bytes.NewReader(frame[:cut])), blank(want)); !errors.Is(err, wantErr) {
				t.Errorf("Read of %d of %d bytes of %T: %v, want %v", cut, len(frame), want, err, wantErr)
			}
		}
	}
}

func TestFramesThatBreakALimitAreMalformed(t *testing.T) {
	huge := append([]byte{0xff, 0xff, 0x03}, make([]byte, 65535)...)
	endless := bytes.Repeat([]byte{0xff}, 11)
	garbage := append([]byte{16}, strings.Repeat("\xff", 16)...)
	for name, frame := range map[string][]byte{"huge": huge, "endless length": endless, "garbage": garbage} {
		if _, err := Decode(frame, &ClientMessage{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("Decode %s: %v, want ErrMalformed", name, err)
		}
	}
	for name, frame := range map[string][]byte{"huge": huge, "garbage": garbage} {
		if err := Read(bufio.NewReader(bytes.NewReader(frame)), &ClientMessage{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("Read %s: %v, want ErrMalformed", name, err)
		}
	}
}

func TestUnknownBodiesAreLegal(t *testing.T) {
	future := []byte{4, 0xfa, 0x7f, 1, 'x'} // field 2047, length-delimited
	if _, err := Decode(future, &ClientMessage{}); err != nil {
		t.Errorf("a message from the future: %v", err)
	}
}

func FuzzDecodeAgreesWithRead(f *testing.F) {
	for i, m := range samples() {
		frame, err := Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), frame)
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		all := samples()
		m := all[int(kind)%len(all)]
		decoded, read := blank(m), blank(m)
		n, decodeErr := Decode(b, decoded)
		readErr := Read(bufio.NewReader(bytes.NewReader(b)), read)
		if (decodeErr == nil) != (readErr == nil) {
			t.Fatalf("Decode: %v, Read: %v", decodeErr, readErr)
		}
		if decodeErr != nil {
			return
		}
		if n > len(b) || !proto.Equal(decoded, read) {
			t.Fatalf("took %d of %d bytes; decoded %v, read %v", n, len(b), decoded, read)
		}
		if _, err := Append(nil, decoded); err != nil {
			t.Fatalf("what was legal to read is not legal to write: %v", err)
		}
	})
}

func TestAFrameIsReadWithoutAByteOfWhatFollows(t *testing.T) {
	b, err := Append(nil, &Nominate{Attempt: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	r := strings.NewReader(string(b) + "and more")
	var m Nominate
	if err := Read(Exactly(r), &m); err != nil || len(m.Attempt) != 16 {
		t.Errorf("read %v, %v", &m, err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "and more" {
		t.Errorf("%q is left", rest)
	}
}
