package rendezvous

import (
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnlySilenceIsToldAsSuch(t *testing.T) {
	silence := fmt.Errorf("read: %w", os.ErrDeadlineExceeded)
	for name, c := range map[string]struct {
		err      error
		proxied  bool
		leaving  bool
		pinged   time.Duration // before the end; zero: no pong is missing
		missed   time.Duration // before the end
		isSilent bool
	}{
		"silent since a ping":             {err: silence, pinged: 20 * time.Second, missed: 20 * time.Second, isSilent: true},
		"something came behind the ping":  {err: silence, pinged: 40 * time.Second, isSilent: true},
		"silent, and was not pinged":      {err: silence, isSilent: true},
		"closed by the server":            {err: io.EOF, pinged: 20 * time.Second},
		"the mapping is the proxy's":      {err: silence, pinged: 20 * time.Second, proxied: true},
		"the node leaves, and waits less": {err: silence, pinged: 20 * time.Second, leaving: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told [][2]time.Time
				s := &mainConn{proxied: c.proxied, client: NewClient(ClientConfig{Died: func(heard, missed time.Time) {
					told = append(told, [2]time.Time{heard, missed})
				}})}
				now := time.Now()
				s.heard = now.Add(-30 * time.Second)
				if c.pinged != 0 {
					s.pinged = now.Add(-c.pinged)
				}
				if c.leaving {
					s.leaveBy = now
				}
				s.tellSilence(c.err)
				if (len(told) == 1) != c.isSilent {
					t.Fatalf("told %v, want it to be %v", told, c.isSilent)
				}
				if c.isSilent && told[0] != [2]time.Time{s.heard, now.Add(-c.missed)} {
					t.Errorf("told %v, want heard at %v and missed %v before %v", told[0], s.heard, c.missed, now)
				}
			})
		})
	}
}
