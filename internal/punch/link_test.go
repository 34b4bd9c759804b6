package punch

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/bodkin-p2p/bodkin/internal/reuseport"
	"github.com/bodkin-p2p/bodkin/internal/tcptest"
	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestALinkIsResetUnlessItIsKept(t *testing.T) {
	for _, kept := range []bool{false, true} {
		a, b := tcptest.Pair(t)
		l := newLink(a, testAttempt, true)
		if kept {
			l.keep()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		_, err := b.Read(make([]byte, 1))
		if orderly := errors.Is(err, io.EOF); orderly != kept {
			t.Errorf("kept %v: the other end reads %v", kept, err)
		}
		if wasReset := reuseport.Classify(err) == reuseport.Refused; wasReset == kept {
			t.Errorf("kept %v: the other end reads %v", kept, err)
		}
	}
}

func TestALinkTakesThePrefaceAwayHoweverItIsCut(t *testing.T) {
	sent := append(wire.Preface{Attempt: testAttempt}.Append(nil), "payload"...)
	for cut := range len(sent) {
		synctest.Test(t, func(t *testing.T) {
			var n memNet
			inside, outside := n.pair(addr("a"), addr("b"), 0)
			go func() {
				outside.Write(sent[:cut])
				synctest.Wait()
				outside.Write(sent[cut:])
				outside.Close()
			}()
			got, err := io.ReadAll(newLink(inside, testAttempt, false))
			if err != nil || string(got) != "payload" {
				t.Errorf("cut after %d bytes: read %q, %v, want %q", cut, got, err, "payload")
			}
		})
	}
}

func TestALinkWithAWrongPrefaceStaysUseless(t *testing.T) {
	for name, test := range map[string]struct {
		sent []byte
		want error
	}{
		"garbage":         {[]byte("more than twenty-two bytes of it"), wire.ErrMalformed},
		"another attempt": {append(preface(9), "payload"...), errOtherAttempt},
		"half of it":      {preface(1)[:21], io.ErrUnexpectedEOF},
	} {
		var n memNet
		inside, outside := n.pair(addr("a"), addr("b"), 0)
		outside.Write(test.sent)
		outside.Close()
		l := newLink(inside, testAttempt, false)
		for range 3 { // TLS may read again after an error
			if n, err := l.Read(make([]byte, 100)); n != 0 || !errors.Is(err, test.want) {
				t.Errorf("%s: read %d bytes, %v, want %v", name, n, err, test.want)
			}
		}
	}
}

func TestANominationIsReadExactlyAndMustNameTheAttempt(t *testing.T) {
	var n memNet
	from, to := n.pair(addr("a"), addr("b"), 0)
	for _, attempt := range []wire.AttemptID{testAttempt, {9}} {
		if err := writeNomination(from, attempt); err != nil {
			t.Fatal(err)
		}
		io.WriteString(from, "next")
		if err := readNomination(to, testAttempt); (err == nil) != (attempt == testAttempt) {
			t.Errorf("nomination for %v, waiting for %v: %v", attempt, testAttempt, err)
		}
		b := make([]byte, 100)
		if n, err := to.Read(b); string(b[:n]) != "next" || err != nil {
			t.Errorf("after the nomination comes %q, %v", b[:n], err)
		}
	}
}
