package transfer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

// limited is a connection that breaks after so many bytes were written.
type limited struct {
	net.Conn
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		l.Conn.Close()
		return 0, errors.New("the network has gone")
	}
	return l.Conn.Write(p)
}

// carryUntil sends source until the sender has sent so many bytes.
func carryUntil(t testing.TB, bytes int, source *Source, receiver Receiver) outcome {
	t.Helper()
	a, b := tcptest.Pair(t)
	return carryOver(t, &limited{a, bytes}, b, source, receiver)
}

func TestATransferThatWasCutOffGoesOnWhereItWas(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "photos"), openedDir(t)
	makeTree(t, from)
	var total int
	for cut := 100; ; cut += 150_000 {
		o := carryUntil(t, cut, open(t, from), Receiver{Dir: to, From: "ada"})
		if o.sent == nil {
			check(t, o.received)
			total = cut
			if o.meter.Resumed == 0 {
				t.Error("nothing was taken from the runs before")
			}
			break
		}
		if !errors.Is(o.sent, ErrInterrupted) || !errors.Is(o.received, ErrInterrupted) {
			t.Fatalf("after %d bytes: sent: %v, received: %v; want ErrInterrupted", cut, o.sent, o.received)
		}
		if _, err := os.Lstat(filepath.Join(to, "photos")); err == nil {
			t.Fatal("something incomplete has the final name")
		}
		if cut > 1000 && o.result.Staging == "" {
			t.Errorf("after %d bytes: nothing is said to be left", cut)
		}
		if cut > 5<<20 {
			t.Fatal("it never got to the end")
		}
	}
	if total < 300_000 {
		t.Errorf("all was sent in %d bytes, so nothing was ever cut off", total)
	}
	equalTrees(t, from, filepath.Join(to, "photos"))
	onlyHas(t, to, "photos")
}

func TestOnlyWhatIsMissingIsSentAgain(t *testing.T) {
	path, to := filepath.Join(t.TempDir(), "film"), t.TempDir()
	write(t, path, content(40*chunkSize, 1), 0o644)
	if o := carryUntil(t, 30*chunkSize, open(t, path), Receiver{Dir: to}); !errors.Is(o.sent, ErrInterrupted) {
		t.Fatal(o.sent)
	}
	// What was on its way when the connection broke may have been lost: TCP tells nobody how much. But not most of it.
	o := carryUntil(t, 35*chunkSize, open(t, path), Receiver{Dir: to})
	if o.sent != nil || o.received != nil {
		t.Fatalf("sent: %v, received: %v", o.sent, o.received)
	}
	if o.meter.Resumed < 5*chunkSize || o.result.Resumed != o.meter.Resumed || o.meter.Bytes != 40*chunkSize {
		t.Errorf("meter: %+v, result: %+v", o.meter, o.result)
	}
	equalTrees(t, path, filepath.Join(to, "film"))
}

// leave makes a staging directory as a run that was killed leaves it.
func leave(t testing.TB, to, from string, source *Source, content func(tree string)) {
	t.Helper()
	staging := filepath.Join(to, stagingName(from, source.Offer()))
	check(t, os.MkdirAll(filepath.Join(staging, inTree), 0o700))
	content(filepath.Join(staging, inTree))
}

func TestWhatAnEarlierRunLeftIsNotBelieved(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "photos"), openedDir(t)
	makeTree(t, from)
	leave(t, to, "", open(t, from), func(tree string) {
		p := filepath.Join(tree, "photos")
		write(t, filepath.Join(p, "big"), make([]byte, 300_000), 0o600)   // other content
		write(t, filepath.Join(p, "exact"), content(chunkSize, 9), 0o444) // other content, complete
		write(t, filepath.Join(p, "small"), []byte("dear"), 0o600)        // right
		write(t, filepath.Join(p, "empty"), nil, 0o600)                   // right
		write(t, filepath.Join(p, "stale"), []byte("x"), 0o600)           // not in the listing
		write(t, filepath.Join(p, "gone", "deep"), []byte("x"), 0o600)    // not in the listing
		check(t, os.Mkdir(filepath.Join(p, "a"), 0o500))                  // finished by a run that was killed after
		check(t, os.Symlink("/etc", filepath.Join(p, "nothing inside")))  // of another kind
		check(t, os.Symlink("/etc", filepath.Join(tree, "beside")))       // not in the listing
		check(t, os.Chmod(filepath.Join(p, "gone"), 0o500))
	})
	o := carry(t, open(t, from), Receiver{Dir: to})
	if o.sent != nil || o.received != nil {
		t.Fatalf("sent: %v, received: %v", o.sent, o.received)
	}
	equalTrees(t, from, filepath.Join(to, "photos"))
	onlyHas(t, to, "photos")
	if o.meter.Resumed != int64(len("dear")) {
		t.Errorf("%d bytes were taken from what was left, want 4", o.meter.Resumed)
	}
}

func TestTransfersOfOthersAreNotMixed(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "photos"), openedDir(t)
	makeTree(t, from)
	leave(t, to, "eve", open(t, from), func(tree string) {
		write(t, filepath.Join(tree, "photos", "small"), []byte("dear"), 0o600)
	})
	o := carry(t, open(t, from), Receiver{Dir: to, From: "ada"})
	if o.sent != nil || o.received != nil || o.meter.Resumed != 0 {
		t.Fatalf("sent: %v, received: %v, %d bytes resumed", o.sent, o.received, o.meter.Resumed)
	}
	onlyHas(t, to, stagingName("eve", open(t, from).Offer()), "photos")
}

func TestARunThatWasKilledWhileMovingIsFinishedByTheNext(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	names := []string{"a", "b", "c"}
	var paths []string
	for _, name := range names {
		path := filepath.Join(from, name)
		write(t, filepath.Join(path, "file"), []byte(name), 0o644)
		paths = append(paths, path)
	}
	path := filepath.Join(from, "d")
	write(t, path, []byte("d"), 0o640)
	check(t, os.Chtimes(path, longAgo, longAgo))
	paths = append(paths, path)
	for killed := range 5 {
		t.Run(fmt.Sprintf("after %d", killed), func(t *testing.T) {
			to := filepath.Join(to, fmt.Sprint(killed))
			check(t, os.Mkdir(to, 0o755))
			source := open(t, paths...)
			staged(t, to, source)
			staging := filepath.Join(to, stagingName("", source.Offer()), inTree)
			for _, name := range append(names, "d")[:killed] {
				check(t, os.Rename(filepath.Join(staging, name), filepath.Join(to, name)))
			}
			if killed < 4 { // in the middle of moving a file
				check(t, os.Link(filepath.Join(staging, "d"), filepath.Join(to, "d")))
			}
			o := carry(t, open(t, paths...), Receiver{Dir: to})
			if o.sent != nil || o.received != nil {
				t.Fatalf("sent: %v, received: %v", o.sent, o.received)
			}
			onlyHas(t, to, "a", "b", "c", "d")
			for _, name := range append(names, "d") {
				equalTrees(t, filepath.Join(from, name), filepath.Join(to, name))
			}
		})
	}
}

// staged brings everything into the staging directory, as a run does that is killed when it begins to move.
func staged(t testing.TB, to string, source *Source) {
	t.Helper()
	var tr tree
	for i := range source.tree.entries {
		check(t, tr.add(source.tree.entries[i]))
	}
	s, err := openStage(to, "", source.Offer(), &tr)
	check(t, err)
	defer s.close()
	_, _, err = s.prepare()
	check(t, err)
	for i := range tr.entries {
		if !tr.entries[i].content() {
			continue
		}
		data, err := os.ReadFile(source.where(i))
		check(t, err)
		f, err := s.create(i, 0)
		check(t, err)
		f.Write(data)
		check(t, f.finish(true))
	}
	check(t, s.complete())
	digest := s.digest()
	check(t, s.note(fmt.Sprintf("%x", digest[:])))
}

func TestARunThatWasKilledWhileMovingOtherFilesLeavesThem(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	path := filepath.Join(from, "notes")
	write(t, path, []byte("old"), 0o644)
	staged(t, to, open(t, path))
	write(t, path, []byte("newer"), 0o644)
	o := carry(t, open(t, path), Receiver{Dir: to})
	if !errors.Is(o.sent, ErrExists) || !errors.Is(o.received, ErrExists) {
		t.Errorf("sent: %v, received: %v, want ErrExists", o.sent, o.received)
	}
	if got, _ := os.ReadFile(filepath.Join(to, "notes")); string(got) != "old" {
		t.Errorf("there is %q, want what the earlier run had verified", got)
	}
	onlyHas(t, to, "notes")
}

func TestTwoCannotReceiveTheSameIntoOneDirectory(t *testing.T) {
	path, to := filepath.Join(t.TempDir(), "notes"), t.TempDir()
	write(t, path, []byte("x"), 0o644)
	s, err := openStage(to, "", open(t, path).Offer(), &tree{})
	check(t, err)
	defer s.close()
	o := carry(t, open(t, path), Receiver{Dir: to})
	if !errors.Is(o.received, errLocked) || !strings.Contains(fmt.Sprint(o.sent), "another bodkin") {
		t.Errorf("sent: %v, received: %v", o.sent, o.received)
	}
}

func TestAStreamThatWasCutOffBeginsAgain(t *testing.T) {
	to := t.TempDir()
	send := func(limit int) outcome {
		r, w := io.Pipe()
		go func() {
			w.Write(content(4*chunkSize, 1))
			w.Close()
		}()
		source, err := Stream("s", r)
		check(t, err)
		return carryUntil(t, limit, source, Receiver{Dir: to})
	}
	if o := send(2 * chunkSize); !errors.Is(o.sent, ErrInterrupted) {
		t.Fatalf("sent: %v", o.sent)
	}
	if o := send(1 << 30); o.sent != nil || o.received != nil || o.meter.Resumed != 0 {
		t.Fatalf("sent: %v, received: %v, %d bytes resumed", o.sent, o.received, o.meter.Resumed)
	}
	onlyHas(t, to, "s")
}
