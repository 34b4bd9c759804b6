package wire

import (
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
)

// Validate checks m against the limits of bodkin.proto. Its error wraps ErrMalformed and names the field. A message
// without a known body is legal: it comes from a newer version.
func Validate(m proto.Message) error {
	switch m := m.(type) {
	case *ClientMessage:
		return validateClient(m)
	case *ServerMessage:
		return validateServer(m)
	case *HoleHello:
		return validateHoleHello(m)
	case *Observed:
		return validateObserved(m)
	case *Profile:
		return validateProfile(m)
	case *Nominate:
		return exactly("nominate.attempt", m.Attempt, AttemptIDLen)
	case *StreamOpen:
		return text("stream_open.service", m.Service, 1, MaxService)
	case *StreamAnswer:
		return text("stream_answer.reason", m.Reason, 0, MaxText)
	case *Ask:
		return validateAsk(m)
	case *Reply:
		return validateReply(m)
	case *Further:
		return validateFurther(m)
	case *Half:
		return half(m)
	}
	return malformed("%T is not a message of its own", m)
}

func validateClient(m *ClientMessage) error {
	switch body := m.Body.(type) {
	case *ClientMessage_Register:
		r := body.Register
		return first(
			between("register.sealed_profile", len(r.GetSealedProfile()), 1, MaxSealedProfile),
			exactly("register.name_tag", r.GetNameTag(), NameTagLen),
			text("register.software", r.GetSoftware(), 0, MaxSoftware),
			behavior(r.GetBehavior()),
			behavior(r.GetBehavior6()),
		)
	case *ClientMessage_Dial:
		switch target := body.Dial.GetTarget().(type) {
		case *Dial_Node:
			return exactly("dial.node", target.Node, NodeIDLen)
		case *Dial_NameTag:
			return exactly("dial.name_tag", target.NameTag, NameTagLen)
		}
		return malformed("dial without a target")
	case *ClientMessage_Report:
		return validateReport(body.Report)
	case *ClientMessage_Finished:
		return first(
			exactly("finished.attempt", body.Finished.GetAttempt(), AttemptIDLen),
			between("finished.round", int(body.Finished.GetRound()), 1, MaxRounds),
		)
	case *ClientMessage_Mapped:
		return validateMapped(body.Mapped)
	case *ClientMessage_DialBack:
		return exactly("dial_back.key", body.DialBack.GetKey(), ProofLen)
	}
	return nil
}

func validateMapped(m *Mapped) error {
	if m.GetEndpoint() == nil {
		return exactly("mapped.key", m.GetKey(), 0)
	}
	return first(
		endpoint("mapped.endpoint", m.GetEndpoint()),
		exactly("mapped.key", m.GetKey(), ProofLen),
	)
}

func validateReport(r *Report) error {
	if err := first(
		exactly("report.attempt", r.GetAttempt(), AttemptIDLen),
		between("report.round", int(r.GetRound()), 1, MaxRounds),
		between("report.failures", len(r.GetFailures()), 0, MaxFailures),
	); err != nil {
		return err
	}
	for _, failure := range r.Failures {
		if err := endpoint("report.failures.remote", failure.GetRemote()); err != nil {
			return err
		}
	}
	return nil
}

func validateServer(m *ServerMessage) error {
	switch body := m.Body.(type) {
	case *ServerMessage_Welcome:
		return validateWelcome(body.Welcome)
	case *ServerMessage_Refused:
		return text("refused.text", body.Refused.GetText(), 0, MaxText)
	case *ServerMessage_Observed:
		return validateObserved(body.Observed)
	case *ServerMessage_Introduction:
		return validateIntroduction(body.Introduction)
	case *ServerMessage_MappedProof:
		return endpoint("mapped_proof.endpoint", body.MappedProof.GetEndpoint())
	case *ServerMessage_DialledBack:
		return validateDialledBack(body.DialledBack)
	case *ServerMessage_AttemptOver:
		return exactly("attempt_over.attempt", body.AttemptOver.GetAttempt(), AttemptIDLen)
	case *ServerMessage_Sample:
		return exactly("sample.attempt", body.Sample.GetAttempt(), AttemptIDLen)
	case *ServerMessage_RelayOver:
		return exactly("relay_over.attempt", body.RelayOver.GetAttempt(), AttemptIDLen)
	case *ServerMessage_Presence:
		return validatePresence(body.Presence)
	}
	return nil
}

func validateWelcome(w *Welcome) error {
	if err := first(
		endpoint("welcome.observed", w.GetObserved()),
		between("welcome.hole_ports", len(w.GetHolePorts()), 0, MaxHolePorts),
		between("welcome.hole_token", len(w.GetHoleToken()), MinTokenLen, MaxTokenLen),
		between("welcome.holes", len(w.GetHoles()), 0, MaxHolePorts),
		between("welcome.closed_port", int(w.GetClosedPort()), 0, 65535),
	); err != nil {
		return err
	}
	for _, hole := range w.Holes {
		if err := endpoint("welcome.holes", hole); err != nil {
			return err
		}
	}
	for _, port := range w.HolePorts {
		if err := between("welcome.hole_ports", int(port), 1, 65535); err != nil {
			return err
		}
	}
	return nil
}

func validateIntroduction(i *Introduction) error {
	if err := first(
		exactly("introduction.attempt", i.GetAttempt(), AttemptIDLen),
		between("introduction.round", int(i.GetRound()), 1, MaxRounds),
		between("introduction.role", int(i.GetRole()), int(Role_ROLE_DIALER), int(Role_ROLE_CALLEE)),
		exactly("introduction.peer", i.GetPeer(), NodeIDLen),
		between("introduction.sealed_profile", len(i.GetSealedProfile()), 1, MaxSealedProfile),
		exactly("introduction.name_tag", i.GetNameTag(), NameTagLen),
		between("introduction.mapped", len(i.GetMapped()), 0, MaxMapped),
		between("introduction.observed", len(i.GetObserved()), 0, MaxObserved),
		between("introduction.delay_us", int(i.GetDelayUs()), 0, MaxDelayMicros),
		between("introduction.deadline_ms", int(i.GetDeadlineMs()), 1, MaxDeadlineMillis),
		relayOffer(i.GetRelay()),
		behavior(i.GetBehavior()),
		behavior(i.GetBehavior6()),
	); err != nil {
		return err
	}
	if err := between("introduction.kept", len(i.Kept), MinTokenLen, MaxTokenLen); err != nil && len(i.Kept) > 0 {
		return err
	}
	for field, told := range map[string]*Endpoint{"introduction.sample": i.Sample, "introduction.fresh": i.Fresh} {
		if told != nil {
			if err := endpoint(field, told); err != nil {
				return err
			}
		}
	}
	for _, observed := range i.Observed {
		if err := endpoint("introduction.observed", observed); err != nil {
			return err
		}
	}
	for _, mapped := range i.Mapped {
		if err := endpoint("introduction.mapped", mapped); err != nil {
			return err
		}
	}
	return nil
}

func validatePresence(p *Presence) error {
	tagLen := NameTagLen
	if p.GetKind() == Presence_KIND_LEFT {
		tagLen = 0
	}
	return first(
		exactly("presence.node", p.GetNode(), NodeIDLen),
		between("presence.sealed_profile", len(p.GetSealedProfile()), 0, MaxSealedProfile),
		exactly("presence.name_tag", p.GetNameTag(), tagLen),
	)
}

func relayOffer(o *RelayOffer) error {
	if o == nil {
		return nil
	}
	return first(
		between("introduction.relay.token", len(o.Token), MinTokenLen, MaxTokenLen),
		between("introduction.relay.head_start_us", int(o.HeadStartUs), 0, MaxHeadStartMicros),
		between("introduction.relay.rtt_us", int(o.RttUs), 0, MaxRTTMicros),
	)
}

func validateHoleHello(m *HoleHello) error {
	if err := first(
		between("hole_hello.token", len(m.Token), MinTokenLen, MaxTokenLen),
		between("hole_hello.hold_s", int(m.HoldS), 0, MaxHold),
	); err != nil || len(m.Attempt) == 0 {
		return err
	}
	return exactly("hole_hello.attempt", m.Attempt, AttemptIDLen)
}

func validateObserved(o *Observed) error {
	return first(
		endpoint("observed.endpoint", o.GetEndpoint()),
		between("observed.server_port", int(o.GetServerPort()), 1, 65535),
	)
}

func validateProfile(p *Profile) error {
	if err := first(
		text("profile.name", p.Name, 1, MaxName),
		between("profile.candidates", len(p.Candidates), 0, MaxCandidates),
	); err != nil {
		return err
	}
	for _, c := range p.Candidates {
		if err := endpoint("profile.candidates.endpoint", c.GetEndpoint()); err != nil {
			return err
		}
	}
	return nil
}

func endpoint(field string, e *Endpoint) error {
	if !e.AddrPort().IsValid() {
		return malformed("%s: not an address and port", field)
	}
	return nil
}

func exactly(field string, b []byte, length int) error {
	if len(b) != length {
		return malformed("%s: %d bytes, not %d", field, len(b), length)
	}
	return nil
}

func between(field string, n, low, high int) error {
	if n < low || n > high {
		return malformed("%s: %d, not in %d..%d", field, n, low, high)
	}
	return nil
}

// text checks a string for people or a name: its length in bytes, and that a terminal can show it.
func text(field, s string, low, high int) error {
	if err := between(field, len(s), low, high); err != nil {
		return err
	}
	if !utf8.ValidString(s) {
		return malformed("%s: not UTF-8", field)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return malformed("%s: has the unprintable character %U", field, r)
		}
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
