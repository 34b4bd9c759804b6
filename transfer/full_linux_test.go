package transfer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFullDiskIsToldOnBothSides(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	check(t, err)
	defer full.Close()
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, content(10*chunkSize, 1), 0o644)
	o := carry(t, open(t, path), Receiver{Output: full})
	if !errors.Is(o.sent, ErrNoSpace) || !errors.Is(o.received, ErrNoSpace) || !strings.Contains(o.sent.Error(), "no space left on device") {
		t.Errorf("sent: %v, received: %v, want ErrNoSpace", o.sent, o.received)
	}
}

func TestADirectoryWhereNothingCanBeMadeIsToldOnBothSides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write(t, path, []byte("x"), 0o644)
	for _, dir := range []string{"/proc", filepath.Join(t.TempDir(), "nothing")} {
		if o := carry(t, open(t, path), Receiver{Dir: dir}); o.sent == nil || o.received == nil || errors.Is(o.sent, ErrInterrupted) {
			t.Errorf("%s: sent: %v, received: %v", dir, o.sent, o.received)
		}
	}
}
