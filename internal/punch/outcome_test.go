package punch

import (
	"strings"
	"testing"
)

func TestEveryTryTellsItsOutcome(t *testing.T) {
	for _, test := range []struct {
		name   string
		role   Role
		script script
		want   string
		cause  error
	}{
		{"won", Dialer, `
			round 1 a b c d e f -> dial 0, dial 1, dial 2, dial 3, dial 4, dial 5
			refused 0     -> report 0 refused
			unreachable 1 -> report 1 unreachable
			open 2        -> verify 2
			stranger 2    -> abort 2, report 2 unverified
			open 3        -> verify 3
			open 4        -> verify 4
			proven 3      -> nominate 3
			proven 4      ->
			accept x      -> verify 6
			nominated 3   -> abort 4, abort 6`,
			`server-reflexive 192.0.2.97:40000, round 1: refused (RST)
			server-reflexive 192.0.2.98:40000, round 1: unreachable (ICMP)
			server-reflexive 192.0.2.99:40000, round 1: connected, but not to the peer (stranger)
			server-reflexive 192.0.2.100:40000, round 1: nominated
			server-reflexive 192.0.2.101:40000, round 1: verified, but another connection was faster
			server-reflexive 192.0.2.102:40000, round 1: no answer
			accepted from 192.0.2.120:40000: connected, but not verified in time`, nil},
		{"lost", Callee, `
			round 1 a b c -> dial 0, dial 1, dial 2
			open 0        -> verify 0
			proven 0      -> nominate 0
			lost 0        -> abort 0
			busy 1        -> report 1 tuple_busy
			broken 2      -> report 2 other
			round 2 c     -> dial 3
			time-over     ->`,
			`server-reflexive 192.0.2.97:40000, round 1: verified, but lost before it was nominated (lost)
			server-reflexive 192.0.2.98:40000, round 1: an earlier connection still holds these addresses and ports (4-tuple)
			server-reflexive 192.0.2.99:40000, round 1: could not be dialled (no descriptor)
			server-reflexive 192.0.2.99:40000, round 2: no answer`, ErrNoDirectPath},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := test.script.run(t, test.role)
			var got []string
			for _, try := range m.tries {
				got = append(got, try.String())
			}
			want := strings.ReplaceAll(test.want, "\t", "")
			if strings.Join(got, "\n") != want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
			}
			if !m.over || m.cause != test.cause {
				t.Errorf("over %v, cause %v, want over, cause %v", m.over, m.cause, test.cause)
			}
		})
	}
}
