package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	random "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// slowPath makes a transfer last long enough to be killed often.
var slowPath = natlab.Link{Rate: 40_000_000}

const (
	killingSize = 48 << 20 // of a transfer that is killed 20 times: 10 s of the path, and what is sent again
	smallFiles  = 200
	// A kill comes at a random moment after content is on its way.
	earliestKill = 20 * time.Millisecond
	latestKill   = 600 * time.Millisecond
)

// killing sends a tree, kills a side at random moments, starts it again, and looks at what has become of it.
func (st *stage) killing(ctx context.Context, kills, size int) (report string, err error) {
	from, to := st.path("tree"), st.path("to")
	if err := errors.Join(makeTree(from, smallFiles, 1<<10), writeRandom(filepath.Join(from, "large"), size), os.Mkdir(to, 0o755)); err != nil {
		return "", err
	}
	send := func() (*process, error) {
		return st.start(ctx, st.ada, st.bodkin, "--home", st.path("home-ada"), "send", from, "--to", "ben", "--json")
	}
	receive := func() (*process, error) {
		return st.start(ctx, st.ben, st.bodkin, "--home", st.path("home-ben"), "receive", "--dir", to, "--json")
	}
	began := time.Now()
	receiver, err := receive()
	if err != nil {
		return "", err
	}
	if _, err := receiver.await("ready"); err != nil {
		return "", err
	}
	sender, err := send()
	if err != nil {
		return "", err
	}
	killed := map[string]int{}
	for i := range kills {
		if err := underWay(ctx, sender); err != nil {
			return "", err
		}
		if ended, err := sender.done(); ended && err == nil {
			break // it was quicker
		}
		if i == 0 || i > 1 && random.IntN(2) == 0 { // each side at least once
			killed["sender"]++
			sender.kill()
			sender, err = send()
		} else {
			killed["receiver"]++
			receiver.kill()
			receiver, err = receive()
		}
		if err != nil {
			return "", err
		}
		if _, err := os.Lstat(filepath.Join(to, "tree")); err == nil {
			break // the kill came behind the end
		}
	}
	// Where a side was killed at the very end, the one that was started again waits for another transfer.
	select {
	case <-sender.ended:
		err = sender.err
	case <-receiver.ended:
		err = receiver.err
	case <-time.After(5 * time.Minute):
		err = errors.New("it never ended")
	}
	if err != nil {
		return "", err
	}
	receiver.wait(patience) // for it to clear up
	report = fmt.Sprintf("kill -9: %d times the sender, %d times the receiver; done after %.1f s", killed["sender"], killed["receiver"], time.Since(began).Seconds())
	if err := equal(ctx, from, filepath.Join(to, "tree")); err != nil {
		return report, err
	}
	left, err := os.ReadDir(to)
	if err != nil {
		return report, err
	}
	if len(left) != 1 {
		return report, fmt.Errorf("%d names are in the target directory, want 1: %v", len(left), left)
	}
	if killed["sender"]+killed["receiver"] < kills {
		return report, fmt.Errorf("the transfer ended before it was killed %d times", kills)
	}
	return report + "; identical, nothing left behind", nil
}

// underWay waits until content is on its way, and then for a random while.
func underWay(ctx context.Context, sender *process) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for started := false; !started; {
		select {
		case line := <-sender.lines:
			started = strings.Contains(line, `"event":"start"`) || strings.Contains(line, `"event":"progress"`)
		case <-sender.ended:
			return nil
		case <-deadline.C:
			return fmt.Errorf("nothing was sent for %v", patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	moment := time.NewTimer(earliestKill + random.N(latestKill-earliestKill))
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-sender.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// makeTree makes small files in directories of 100.
func makeTree(dir string, files, size int) error {
	for i := range files {
		sub := filepath.Join(dir, fmt.Sprint(i/100))
		if i%100 == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		if err := writeRandom(filepath.Join(sub, fmt.Sprint(i)), size); err != nil {
			return err
		}
	}
	return nil
}

func writeRandom(path string, size int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buffer := make([]byte, min(size, 1<<20))
	for size > 0 {
		rand.Read(buffer)
		n, err := f.Write(buffer[:min(size, len(buffer))])
		if err != nil {
			return err
		}
		size -= n
	}
	return f.Close()
}
