package natlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// ErrUnavailable is returned by Enter and New where this machine does not let the process make
// network namespaces. The error that wraps it says what to change.
var ErrUnavailable = errors.New("natlab is not available here")

// Enter takes the process to where labs can be built. Call it first in main, before anything is
// printed or read: outside, it runs the same program with the same arguments again, in a mount and
// a network namespace of its own, and in a user namespace where the caller is not root, passes
// standard input and output and signals through, and ends with its exit code. So it returns only
// inside, with nil, or with an error that wraps ErrUnavailable.
//
// Calling it again inside does nothing. The programs started inside are outside again, and may
// Enter themselves.
func Enter() error { return enter() }

// Main is for TestMain: it enters, runs the tests and ends the process.
//
//	func TestMain(m *testing.M) { natlab.Main(m) }
//
// Where no lab can be built, the tests run all the same and Test skips those that need one. With
// NATLAB=require in the environment that is a failure instead, and so is a missing nft.
func Main(m interface{ Run() int }) {
	if isFuzzWorker() {
		os.Exit(m.Run())
	}
	err := Enter()
	if err == nil && required() {
		_, err = findNFT()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "natlab:", err)
		if required() {
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// isFuzzWorker reports whether this process was started by a go test -fuzz, with which it talks
// over inherited descriptors. They would not get inside with it.
func isFuzzWorker() bool {
	return slices.ContainsFunc(os.Args, func(arg string) bool {
		return strings.HasPrefix(strings.TrimLeft(arg, "-"), "test.fuzzworker")
	})
}

// TB is the part of testing.TB that Test needs.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
}

// Test makes a lab that is closed when the test ends. Any mistake in building it ends the test. A
// failed test tells the seed. Where no lab can be built, or not what it is to have in it, it skips the
// test, or fails it with NATLAB=require in the environment.
func Test(t TB, c Config) *Lab {
	t.Helper()
	lab, err := New(c)
	switch {
	case errors.Is(err, ErrUnavailable) && !required():
		t.Skipf("natlab: %v", err)
	case err != nil:
		t.Fatalf("natlab: %v", err)
	}
	lab.t = t
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("natlab: seed %d", lab.Seed())
		}
		if err := lab.Close(); err != nil {
			t.Logf("natlab: close: %v", err)
		}
	})
	return lab
}

func required() bool { return os.Getenv("NATLAB") == "require" }

// findNFT returns the path of the nft program, also where only root has its directory in PATH.
func findNFT() (string, error) {
	for _, name := range []string{"nft", "/usr/sbin/nft", "/sbin/nft"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: no nft program; on Debian: apt-get install nftables", ErrUnavailable)
}
