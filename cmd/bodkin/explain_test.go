package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
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
