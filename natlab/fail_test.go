package natlab

import (
	"errors"
	"fmt"
	"testing"
)

// An ending records how a lab ends its test.
type ending struct {
	testing.TB
	said string
}

func (e *ending) Helper()                   {}
func (e *ending) Skipf(f string, a ...any)  { e.said = "skipped: " + fmt.Sprintf(f, a...) }
func (e *ending) Fatalf(f string, a ...any) { e.said = "failed: " + fmt.Sprintf(f, a...) }

// TestWhatAMachineLacksSkipsUnlessItIsRequired holds for what a lab is to have in it as for the lab.
//
// Seen to fail: with Fatalf for both, which failed half of the packages where there was no nft, and with Skipf for both.
func TestWhatAMachineLacksSkipsUnlessItIsRequired(t *testing.T) {
	missing, mistake := fmt.Errorf("NAT near: %w: no nft program", ErrUnavailable), errors.New("NAT near: no such address")
	for _, c := range []struct {
		natlab string
		err    error
		want   string
	}{
		{"", missing, "skipped: natlab: NAT near: natlab is not available here: no nft program"},
		{"require", missing, "failed: natlab: NAT near: natlab is not available here: no nft program"},
		{"", mistake, "failed: natlab: NAT near: no such address"},
	} {
		t.Setenv("NATLAB", c.natlab)
		end := &ending{}
		lab := &Lab{t: end}
		lab.fail(c.err)
		if end.said != c.want {
			t.Errorf("NATLAB=%s: %s, want %s", c.natlab, end.said, c.want)
		}
	}
}
