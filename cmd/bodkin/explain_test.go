package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/identity"
)

func TestEveryErrorHasItsExitCodeAndAHint(t *testing.T) {
	tests := []struct {
		err  error
		code int
	}{
		{errors.New("something"), exitFailed},
		{bodkin.ErrPeerUnavailable, exitPeerUnavailable},
		{bodkin.ErrServerUnreachable, exitServerUnreachable},
		{bodkin.ErrRefused, exitRefused},
		{&bodkin.RefusedError{Reason: bodkin.RefusedRoom, Text: "no"}, exitRefused},
		{&bodkin.RefusedError{Reason: bodkin.RefusedBusy, Text: "no"}, exitFailed},
		{fmt.Errorf("%w: %w", bodkin.ErrServerUnreachable, identity.ErrWrongServer), exitServerUnreachable},
		{bodkin.ErrNoDirectPath, exitFailed}, // 3 is for those who asked for --direct-only
		{bodkin.ErrServiceUnknown, exitFailed},
		{bodkin.ErrServiceTaken, exitFailed},
		{control.ErrStopped, exitFailed},
		{context.DeadlineExceeded, exitFailed},
		{misuse("so", "wrong"), exitUsage},
	}
	for _, test := range tests {
		var out bytes.Buffer
		if code := report(&out, fmt.Errorf("bodkin: doing it: %w", test.err)); code != test.code {
			t.Errorf("%v: exit code %d, want %d", test.err, code, test.code)
		}
		text := out.String()
		if !strings.HasPrefix(text, "bodkin: ") || strings.Contains(text[len("bodkin: "):], "bodkin: ") {
			t.Errorf("%v: reported as %q", test.err, text)
		}
		if hinted := strings.Contains(text, "\nhint: "); !hinted && test.err.Error() != "something" {
			t.Errorf("%v: no hint in %q", test.err, text)
		}
	}
}

func TestAnInterruptionIsQuiet(t *testing.T) {
	var out bytes.Buffer
	err := fmt.Errorf("reading: %w", interruption{syscall.SIGINT})
	if code := report(&out, err); code != 130 || out.Len() > 0 {
		t.Errorf("exit code %d and %q, want 130 and nothing", code, out.String())
	}
	if code := report(&out, interruption{syscall.SIGTERM}); code != 143 {
		t.Errorf("exit code %d after SIGTERM, want 143", code)
	}
}

func TestHostileErrorsDoNotControlTheTerminal(t *testing.T) {
	var out bytes.Buffer
	report(&out, errors.New("the server says: \x1b[2Jgone\nand more"))
	if want := "bodkin: the server says: ␛[2Jgone\n  and more\n"; out.String() != want {
		t.Errorf("reported %q, want %q", out.String(), want)
	}
}

func TestNamesOfPackagesAndSystemCallsAreLeftOut(t *testing.T) {
	inner := errors.New("rendezvous server unreachable: 127.0.0.1:4000: dial tcp 0.0.0.0:26262->127.0.0.1:4000: connect: connection refused")
	err := fmt.Errorf("%w: %w", bodkin.ErrServerUnreachable, inner)
	if got, want := explain(err).text, "server unreachable: 127.0.0.1:4000: connection refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoiseIsLeftOutOnlyWhereAnErrorBegins(t *testing.T) {
	tests := map[string]string{
		"bodkin: refused by the server: too many dials":       "refused by the server: too many dials",
		"bodkin: session: service \"a\": no such service":     "service \"a\": no such service",
		"while dialling: session: carrier lost: identity: no": "while dialling: carrier lost: no",
		"open /home/bodkin: not there":                        "open /home/bodkin: not there",
		`GetFileAttributesEx C:\a\b: File not found.`:         `C:\a\b: File not found.`,
		"lstat /a/b: no such file or directory":               "/a/b: no such file or directory",
	}
	for text, want := range tests {
		if got := plain(errors.New(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	tests := []struct {
		reason bodkin.RefusedReason
		after  time.Duration
		code   int
		hint   string
	}{
		{bodkin.RefusedRoom, 0, exitRefused, "ask for a new invite"},
		{bodkin.RefusedName, 0, exitRefused, "`bodkin join INVITE --name OTHER`"},
		{bodkin.RefusedVersion, 0, exitRefused, "update bodkin"},
		{bodkin.RefusedReplaced, 0, exitRefused, "the same node joined from somewhere else"},
		{bodkin.RefusedBusy, 2300 * time.Millisecond, exitFailed, "wait 3 s"},
		{bodkin.RefusedBusy, 0, exitFailed, "wait a little"},
		{bodkin.RefusedOther, 0, exitRefused, "try again"},
	}
	for _, test := range tests {
		f := explain(fmt.Errorf("bodkin: dial: %w", &bodkin.RefusedError{Reason: test.reason, Text: "its words", RetryAfter: test.after}))
		if f.code != test.code || !strings.HasPrefix(f.hint, test.hint) || f.text != "the server refused this node: its words" {
			t.Errorf("%v: %d, %q, hint %q; want %d, hint %q", test.reason, f.code, f.text, f.hint, test.code, test.hint)
		}
	}
}

func TestAFailedPathIsToldOnce(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:4000")
	try := bodkin.Try{Remote: at, Candidate: "host", Round: 1, Outcome: "refused"}
	tests := map[string][]bodkin.Try{
		"no direct path to ben: it has no address that this node may dial":                                     nil,
		"no direct path to ben: host 192.0.2.1:4000, round 1: refused":                                         {try},
		"no direct path to ben:\nhost 192.0.2.1:4000, round 1: refused\nhost 192.0.2.1:4000, round 1: refused": {try, try},
	}
	for want, tries := range tests {
		if got := about("ben", &bodkin.PathError{Tries: tries}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	networks := about("ben", &bodkin.PathError{Tries: []bodkin.Try{try}, Why: "a NAT",
		Local: bodkin.Behavior{Classic: "Symmetric", Mapping: "m", Filtering: "f", Unsolicited: "dropped"}, Remote: bodkin.Behavior{Classic: "Unknown"}}).Error()
	if want := "no direct path to ben: host 192.0.2.1:4000, round 1: refused\nthis network: Symmetric (mapping m, filtering f, unsolicited SYNs dropped)\nwhy: a NAT"; networks != want {
		t.Errorf("got %q, want %q", networks, want)
	}
	if got, want := about("ben", bodkin.ErrNoDirectPath).Error(), "no direct path to ben"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
