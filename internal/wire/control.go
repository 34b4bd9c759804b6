package wire

// ControlService is the service of a session's control streams. It is the nodes' own: no application may listen on it, or dial it.
const ControlService = "bodkin/carrier"

func validateAsk(m *Ask) error {
	switch body := m.Body.(type) {
	case *Ask_Further:
		return validateFurther(body.Further)
	case *Ask_Call:
		return first(
			exactly("call.node", body.Call.GetNode(), NodeIDLen),
			between("call.sealed", len(body.Call.GetSealed()), 1, MaxSealedProfile),
		)
	case *Ask_Called:
		return first(
			exactly("called.node", body.Called.GetNode(), NodeIDLen),
			between("called.sealed", len(body.Called.GetSealed()), 1, MaxSealedProfile),
			endpoint("called.observed", body.Called.GetObserved()),
			between("called.rtt_us", int(body.Called.GetRttUs()), 0, MaxRTTMicros),
		)
	}
	return nil
}

func validateFurther(m *Further) error {
	return first(
		exactly("further.attempt", m.GetAttempt(), AttemptIDLen),
		between("further.fresh", int(m.GetFresh()), 0, int(Further_FRESH_ASKED)),
		half(m.GetHalf()),
		between("further.rtt_us", int(m.GetRttUs()), 0, MaxRTTMicros),
	)
}

func validateReply(m *Reply) error {
	if m.Half != nil {
		if err := half(m.Half); err != nil {
			return err
		}
	}
	if m.Observed != nil {
		if err := endpoint("reply.observed", m.Observed); err != nil {
			return err
		}
	}
	return between("reply.sealed", len(m.Sealed), 0, MaxSealedProfile)
}

// half checks a Half, without which there is no attempt.
func half(h *Half) error {
	if h == nil {
		return malformed("no half")
	}
	if err := first(
		between("half.candidates", len(h.Candidates), 0, MaxCandidates),
		between("half.outside", len(h.Outside), 0, MaxObserved),
		behavior(h.Behavior),
		behavior(h.Behavior6),
	); err != nil {
		return err
	}
	for _, c := range h.Candidates {
		if err := endpoint("half.candidates.endpoint", c.GetEndpoint()); err != nil {
			return err
		}
	}
	for _, e := range h.Outside {
		if err := endpoint("half.outside", e); err != nil {
			return err
		}
	}
	return nil
}
