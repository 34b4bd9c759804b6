package relay

import (
	"bytes"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestAKeptTokenOutlivesTheProcessAndNotItsTime(t *testing.T) {
	const life = 24 * time.Hour
	secret := bytes.Repeat([]byte{7}, 32)
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	k := Ticket{Attempt: wire.AttemptID{1}, Role: wire.Role_ROLE_CALLEE, Owner: Owner{Node: 2, Room: 3, Connection: 4}}
	token := newKeptTokens(secret, life).issue(k, noon)
	for name, c := range map[string]struct {
		by   *keptTokens
		at   time.Time
		left time.Duration // negative: it is refused
	}{
		"at once":                     {newKeptTokens(secret, life), noon, life},
		"in the next period":          {newKeptTokens(secret, life), noon.Add(13 * time.Hour), 11 * time.Hour},
		"at its end":                  {newKeptTokens(secret, life), noon.Add(life), 0},
		"after its end":               {newKeptTokens(secret, life), noon.Add(life + 1), -1},
		"two periods later":           {newKeptTokens(secret, life), noon.Add(40 * time.Hour), -1},
		"before it was issued":        {newKeptTokens(secret, life), noon.Add(-time.Second), -1},
		"by a server of another name": {newKeptTokens(bytes.Repeat([]byte{8}, 32), life), noon, -1},
		"without a lasting secret":    {newKeptTokens(nil, life), noon, -1},
	} {
		got, left, err := c.by.open(wire.RelayHello{Attempt: k.Attempt, Token: token}, c.at)
		switch {
		case c.left < 0 && err == nil:
			t.Errorf("%s: it is taken", name)
		case c.left >= 0 && (err != nil || got != k || left != c.left):
			t.Errorf("%s: %+v for %v, %v; want %+v for %v", name, got, left, err, k, c.left)
		}
	}
	if _, _, err := newKeptTokens(secret, life).open(wire.RelayHello{Attempt: wire.AttemptID{2}, Token: token}, noon); err == nil {
		t.Error("it is taken for another attempt")
	}
}

func TestOnlyKeptTokensOutliveTheProcess(t *testing.T) {
	config := Config{Secret: bytes.Repeat([]byte{7}, 32)}
	before, now := NewServer(config), NewServer(config)
	k := Ticket{Attempt: wire.AttemptID{1}, Role: wire.Role_ROLE_CALLEE, Owner: Owner{Node: 2, Room: 3, Connection: 4}}
	if _, _, err := now.admit(wire.RelayHello{Attempt: k.Attempt, Token: before.Token(k)}); err == nil {
		t.Error("a token of the process before is taken")
	}
	kept := before.Keep(k)
	now.started = now.started.Add(time.Minute) // as if it had been started later than it was
	c, _, err := now.admit(wire.RelayHello{Attempt: k.Attempt, Token: kept})
	if err != nil {
		t.Fatal(err)
	}
	if !c.kept || c.Owner != (Owner{Node: 2, Room: 3}) {
		t.Errorf("it is of %+v, kept %v; the number of its connection may be another's now", c.Owner, c.kept)
	}
}
