package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/tcptest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outcome is how both ends of a transfer ended.
type outcome struct {
	sent, received error
	result         Received
	meter          Reading // of the sender
}

// carry sends source to receiver.
func carry(t testing.TB, source *Source, receiver Receiver) outcome {
	t.Helper()
	a, b := tcptest.Pair(t)
	return carryOver(t, a, b, source, receiver)
}

func carryOver(t testing.TB, a, b net.Conn, source *Source, receiver Receiver) (o outcome) {
	t.Helper()
	sent := make(chan error, 1)
	var meter Meter
	go func() { sent <- Send(t.Context(), a, source, &meter) }()
	o.result, o.received = receiver.Receive(t.Context(), b)
	o.sent = <-sent
	o.meter = meter.Read()
	return o
}

// content is what cannot be had by chance.
func content(size int, seed uint64) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}

func write(t testing.TB, path string, data []byte, mode fs.FileMode) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, data, mode))
	check(t, os.Chmod(path, mode))
}

// long ago is a time that no file has by itself.
var longAgo = time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)

// makeTree makes a tree with one of everything.
func makeTree(t testing.TB, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "empty"), nil, 0o644)
	write(t, filepath.Join(dir, "small"), []byte("dear ben"), 0o600)
	write(t, filepath.Join(dir, "big"), content(3*chunkSize+17, 1), 0o640)
	write(t, filepath.Join(dir, "exact"), content(chunkSize, 2), 0o444)
	write(t, filepath.Join(dir, "a", "b", "deep"), content(1000, 3), 0o755)
	write(t, filepath.Join(dir, "a", "Ünïcode — 名"), []byte("x"), 0o644)
	check(t, os.Mkdir(filepath.Join(dir, "nothing inside"), 0o700))
	check(t, os.Symlink("../small", filepath.Join(dir, "a", "link")))
	check(t, os.Symlink("b", filepath.Join(dir, "a", "link to directory")))
	check(t, os.Chtimes(filepath.Join(dir, "big"), longAgo, longAgo))
	check(t, os.Chmod(filepath.Join(dir, "a", "b"), 0o500))
	check(t, os.Chtimes(filepath.Join(dir, "a", "b"), longAgo, longAgo))
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "a", "b"), 0o700) })
	check(t, os.Chtimes(dir, longAgo, longAgo))
}

// describe is everything about a tree, for comparing.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		switch {
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			fmt.Fprintf(&text, "%s -> %s\n", rel, target)
			return err
		case d.IsDir():
			fmt.Fprintf(&text, "%s %v %v\n", rel, info.Mode(), info.ModTime())
		default:
			data, err := os.ReadFile(path)
			h := newHash()
			h.Write(data)
			fmt.Fprintf(&text, "%s %v %v %d %x\n", rel, info.Mode(), info.ModTime(), len(data), sumOf(h))
			return err
		}
		return nil
	})
	check(t, err)
	return text.String()
}

func equalTrees(t testing.TB, want, got string) {
	t.Helper()
	if a, b := describe(t, want), describe(t, got); a != b {
		t.Errorf("sent\n%s\nreceived\n%s", a, b)
	}
}

// openedDir is a directory of the test whose directories may all be written when it ends, as its removal by anybody but root wants it.
func openedDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				os.Chmod(path, 0o700)
			}
			return nil
		})
	})
	return dir
}

// onlyHas tells whether a directory has these names in it and no others.
func onlyHas(t testing.TB, dir string, want ...string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	check(t, err)
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	if strings.Join(names, "|") != strings.Join(want, "|") {
		t.Errorf("%s has %q in it, want %q", dir, names, want)
	}
}

func open(t testing.TB, paths ...string) *Source {
	t.Helper()
	source, err := Open(paths...)
	check(t, err)
	return source
}

func TestATreeArrivesAsItWas(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "photos"), openedDir(t)
	makeTree(t, from)
	o := carry(t, open(t, from), Receiver{Dir: to})
	if o.sent != nil || o.received != nil {
		t.Fatalf("sent: %v, received: %v", o.sent, o.received)
	}
	equalTrees(t, from, filepath.Join(to, "photos"))
	onlyHas(t, to, "photos")
	if r := o.meter; r.Files != 6 || r.Bytes != r.Offer.Bytes || r.Resumed != 0 || !r.Started {
		t.Errorf("meter: %+v", r)
	}
	if len(o.result.Paths) != 1 || o.result.Paths[0] != filepath.Join(to, "photos") || o.result.Staging != "" {
		t.Errorf("result: %+v", o.result)
	}
}

func TestSeveralFilesAndDirectoriesArriveTogether(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "one"), []byte("1"), 0o644)
	write(t, filepath.Join(from, "two"), content(600_000, 1), 0o644)
	write(t, filepath.Join(from, "dir", "three"), []byte("3"), 0o644)
	check(t, os.Symlink("two", filepath.Join(from, "alias")))
	o := carry(t, open(t, filepath.Join(from, "one"), filepath.Join(from, "dir"), filepath.Join(from, "alias")), Receiver{Dir: to})
	if o.sent != nil || o.received != nil {
		t.Fatalf("sent: %v, received: %v", o.sent, o.received)
	}
	onlyHas(t, to, "alias", "dir", "one")
	if got, err := os.ReadFile(filepath.Join(to, "alias")); err != nil || !bytes.Equal(got, content(600_000, 1)) {
		t.Errorf("a link on the command line was not followed: %d bytes, %v", len(got), err)
	}
}

func TestAStreamArrivesWithItsName(t *testing.T) {
	for _, size := range []int{0, 5, 3*chunkSize + 1} {
		to := t.TempDir()
		data := content(size, 1)
		source, err := Stream("backup.tar", bytes.NewReader(data))
		check(t, err)
		if o := carry(t, source, Receiver{Dir: to}); o.sent != nil || o.received != nil {
			t.Fatalf("sent: %v, received: %v", o.sent, o.received)
		}
		if got, err := os.ReadFile(filepath.Join(to, "backup.tar")); err != nil || !bytes.Equal(got, data) {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, size)
		}
		onlyHas(t, to, "backup.tar")
	}
}

func TestASingleFileCanGoToAnOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	data := content(2*chunkSize+5, 1)
	write(t, path, data, 0o644)
	var out bytes.Buffer
	if o := carry(t, open(t, path), Receiver{Output: &out}); o.sent != nil || o.received != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("sent: %v, received: %v, %d bytes; want %d", o.sent, o.received, out.Len(), len(data))
	}
	o := carry(t, open(t, filepath.Dir(path)), Receiver{Output: io.Discard})
	if !errors.Is(o.sent, ErrDeclined) || !errors.Is(o.received, ErrDeclined) {
		t.Errorf("a directory to an output: sent: %v, received: %v", o.sent, o.received)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"file", "dir", "link"} {
		write(t, filepath.Join(from, name), []byte("new"), 0o644)
	}
	write(t, filepath.Join(to, "file"), []byte("old"), 0o644)
	check(t, os.Mkdir(filepath.Join(to, "dir"), 0o755))
	check(t, os.Symlink("nowhere", filepath.Join(to, "link")))
	before := describe(t, to)
	for _, name := range []string{"file", "dir", "link"} {
		o := carry(t, open(t, filepath.Join(from, name)), Receiver{Dir: to})
		if !errors.Is(o.received, ErrExists) || !errors.Is(o.sent, ErrExists) || !strings.Contains(o.sent.Error(), name) {
			t.Errorf("%s: sent: %v, received: %v; want ErrExists", name, o.sent, o.received)
		}
	}
	if after := describe(t, to); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestANameThatIsTakenMeanwhileIsNotOverwritten(t *testing.T) {
	to := t.TempDir()
	tr := &tree{}
	check(t, tr.add(entry{kind: kindFile, parent: none, name: "file", size: 3}))
	s, err := openStage(to, "", Offer{Names: []string{"file"}}, tr)
	check(t, err)
	defer s.close()
	_, _, err = s.prepare()
	check(t, err)
	f, err := s.create(0, 0)
	check(t, err)
	f.Write([]byte("new"))
	check(t, f.finish(true))
	write(t, filepath.Join(to, "file"), []byte("old"), 0o644)
	if err := s.move(); !errors.Is(err, ErrExists) {
		t.Errorf("move: %v, want ErrExists", err)
	}
	if got, _ := os.ReadFile(filepath.Join(to, "file")); string(got) != "old" {
		t.Errorf("the file is now %q", got)
	}
}

func TestAReceiverMayDecline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spam")
	write(t, path, []byte("x"), 0o644)
	to := t.TempDir()
	o := carry(t, open(t, path), Receiver{Dir: to, Accept: func(Offer) error { return fmt.Errorf("%w: not from you", ErrDeclined) }})
	if !errors.Is(o.sent, ErrDeclined) || !strings.Contains(o.sent.Error(), "not from you") || !errors.Is(o.received, ErrDeclined) {
		t.Errorf("sent: %v, received: %v", o.sent, o.received)
	}
	onlyHas(t, to)
}

func TestAFileThatVanishedOrChangedEndsTheTransferCleanly(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(path string) error
		want error
	}{
		"vanished": {os.Remove, fs.ErrNotExist},
		"changed":  {func(path string) error { return os.WriteFile(path, []byte("longer than before"), 0o644) }, ErrChanged},
		"replaced by a link": {func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := filepath.Join(t.TempDir(), "dir"), t.TempDir()
			write(t, filepath.Join(from, "first"), []byte("1"), 0o644)
			write(t, filepath.Join(from, "second"), []byte("2"), 0o644)
			source := open(t, from)
			check(t, c.harm(filepath.Join(from, "second")))
			o := carry(t, source, Receiver{Dir: to})
			if o.sent == nil || o.received == nil || c.want != nil && (!errors.Is(o.sent, c.want) || !errors.Is(o.received, c.want)) {
				t.Errorf("sent: %v, received: %v, want %v", o.sent, o.received, c.want)
			}
			if !strings.Contains(fmt.Sprint(o.sent), "second") {
				t.Errorf("the error does not name the file: %v", o.sent)
			}
			if _, err := os.Lstat(filepath.Join(to, "dir")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("something has the final name")
			}
		})
	}
}

// TestAFileThatChangesMidwayIsNotTakenForEither changes a file when some of it has arrived, and the rest is too much to be on its way already.
//
// Seen to fail: without the last look at a file that was read (opener.unchanged in reading.file).
func TestAFileThatChangesMidwayIsNotTakenForEither(t *testing.T) {
	const size = 48 << 20 // more than is read ahead and fits into the buffers of two sockets
	for name, harm := range map[string]func(path string) error{
		"it grows":                func(path string) error { return os.Truncate(path, size+1) },
		"it shrinks":              func(path string) error { return os.Truncate(path, size-1) },
		"it is emptied":           func(path string) error { return os.Truncate(path, 0) },
		"it is written elsewhere": func(path string) error { return os.Chtimes(path, longAgo, longAgo) },
	} {
		t.Run(name, func(t *testing.T) {
			from, to := filepath.Join(t.TempDir(), "file"), t.TempDir()
			write(t, from, nil, 0o644)
			check(t, os.Truncate(from, size))
			source := open(t, from)
			a, b := tcptest.Pair(t)
			o := carryOver(t, a, &gate{Conn: b, after: 1 << 20, do: func() { check(t, harm(from)) }}, source, Receiver{Dir: to})
			if !errors.Is(o.sent, ErrChanged) || !errors.Is(o.received, ErrChanged) {
				t.Errorf("sent: %v, received: %v, want ErrChanged", o.sent, o.received)
			}
			if _, err := os.Lstat(filepath.Join(to, "file")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("it has the final name")
			}
		})
	}
}

// A gate is a connection that does something once so many bytes were read.
type gate struct {
	net.Conn
	after int
	do    func()
}

func (g *gate) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if g.after -= n; g.after <= 0 && g.do != nil {
		g.do()
		g.do = nil
	}
	return n, err
}

func TestLinksThatLeadOutsideAreLeftOutAndTold(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "dir"), t.TempDir()
	write(t, filepath.Join(from, "sub", "file"), []byte("1"), 0o644)
	check(t, os.Symlink("/etc/passwd", filepath.Join(from, "absolute")))
	check(t, os.Symlink("../../secret", filepath.Join(from, "sub", "up")))
	check(t, os.Symlink("../sub/file", filepath.Join(from, "sub", "fine")))
	source := open(t, from)
	if len(source.LeftOut) != 2 {
		t.Errorf("left out %q, want the two that lead outside", source.LeftOut)
	}
	if o := carry(t, source, Receiver{Dir: to}); o.sent != nil || o.received != nil {
		t.Fatalf("sent: %v, received: %v", o.sent, o.received)
	}
	onlyHas(t, filepath.Join(to, "dir"), "sub")
	onlyHas(t, filepath.Join(to, "dir", "sub"), "file", "fine")
}

func TestATransferThatIsCalledOffSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, content(1<<20, 1), 0o644)
	for _, side := range []string{"sender", "receiver"} {
		t.Run(side, func(t *testing.T) {
			a, b := tcptest.Pair(t)
			why := errors.New("the user went home")
			ctx, cancel := context.WithCancelCause(t.Context())
			sending, receiving := t.Context(), t.Context()
			if side == "sender" {
				sending = ctx
			} else {
				receiving = ctx
			}
			sent := make(chan error, 1)
			go func() { sent <- Send(sending, a, open(t, path), nil) }()
			to := t.TempDir()
			_, received := Receiver{Dir: to, Accept: func(Offer) error { cancel(why); return nil }}.Receive(receiving, b)
			errs := map[string]error{"sender": <-sent, "receiver": received}
			for who, err := range errs {
				want := ErrInterrupted
				if who == side {
					want = why
				}
				// What was too late to be called off may have been done.
				if err != nil && !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", who, err, want)
				}
			}
		})
	}
}
