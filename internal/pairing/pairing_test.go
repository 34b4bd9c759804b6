package pairing

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func code(t testing.TB, text string) Code {
	t.Helper()
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pair lets both sides meet, and returns what each makes of it. between may be who is between.
func pair(t testing.TB, offer, prove func(io.ReadWriter) error) (offered, proven error) {
	t.Helper()
	a, b := net.Pipe()
	for _, conn := range []net.Conn{a, b} {
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		defer conn.Close()
	}
	done := make(chan error, 1)
	go func() {
		done <- offer(a)
		a.Close()
	}()
	proven = prove(b)
	b.Close()
	return <-done, proven
}

func TestTheSameCodePairs(t *testing.T) {
	c, err := New(42)
	if err != nil {
		t.Fatal(err)
	}
	typed := code(t, strings.ToUpper(strings.ReplaceAll(c.String(), "-", " ")))
	offered, proven := pair(t,
		func(conn io.ReadWriter) error { return Offer(conn, c, "ada", "ben") },
		func(conn io.ReadWriter) error { return Prove(conn, typed, "ben", "ada") })
	if offered != nil || proven != nil {
		t.Errorf("offer: %v, prove: %v", offered, proven)
	}
}

func TestWhatDiffersDoesNotPair(t *testing.T) {
	right := code(t, "42-apple-river")
	for name, c := range map[string]struct {
		code     string
		me, peer string
	}{
		"another word":   {"42-apple-rival", "ben", "ada"},
		"another number": {"43-apple-river", "ben", "ada"},
		"words swapped":  {"42-river-apple", "ben", "ada"},
		// A node between the two has proven who it is to each of them, so they do not see each other's id.
		"somebody between at the receiver": {"42-apple-river", "ben", "eve"},
		"somebody between at the sender":   {"42-apple-river", "eve", "ada"},
	} {
		t.Run(name, func(t *testing.T) {
			offered, proven := pair(t,
				func(conn io.ReadWriter) error { return Offer(conn, right, "ada", "ben") },
				func(conn io.ReadWriter) error { return Prove(conn, code(t, c.code), c.me, c.peer) })
			if offered != ErrWrong || proven != ErrWrong {
				t.Errorf("offer: %v, prove: %v; want ErrWrong for both", offered, proven)
			}
		})
	}
}

func TestACutBeforeTheTryDoesNotUseTheCodeUp(t *testing.T) {
	offered, _ := pair(t,
		func(conn io.ReadWriter) error { return Offer(conn, code(t, "42-apple-river"), "ada", "ben") },
		func(conn io.ReadWriter) error { conn.Write(make([]byte, ke1Size-1)); return nil })
	if !errors.Is(offered, ErrCut) {
		t.Errorf("offer: %v, want ErrCut", offered)
	}
}

func TestACutAfterTheAnswerUsesTheCodeUp(t *testing.T) {
	offered, _ := pair(t,
		func(conn io.ReadWriter) error { return Offer(conn, code(t, "42-apple-river"), "ada", "ben") },
		func(conn io.ReadWriter) error {
			client, _ := configuration().Client()
			conn.Write(client.LoginInit([]byte("a guess")).Serialize())
			io.ReadFull(conn, make([]byte, ke2Size)) // from which a guess can be seen to be right or wrong
			return nil
		})
	if offered != ErrWrong {
		t.Errorf("offer: %v, want ErrWrong", offered)
	}
}

func TestCodesAreReadAsPeopleTypeThem(t *testing.T) {
	for text, want := range map[string]string{
		"42-apple-river": "42-apple-river", " 42 Apple  RIVER\n": "42-apple-river", "042-apple-river": "42-apple-river", "0-zoo-abandon": "0-zoo-abandon",
	} {
		if c, err := Parse(text); err != nil || c.String() != want {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
	for text, hint := range map[string]string{
		"": "want a number", "42": "want a number", "42-apple": "want a number", "apple-river-42": "begins with a number",
		"42-apple-river-x": "want a number", "99999-apple-river": "begins with",
		"42-aple-river": `no code has the word "aple"`, "42-apples-river": `is it "apple"`, "42-\x00-river": "no code has",
	} {
		if _, err := Parse(text); !errors.Is(err, ErrNoCode) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %v, want %q", text, err, hint)
		}
	}
}

func TestCodesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		c, err := New(7)
		if err != nil {
			t.Fatal(err)
		}
		seen[c.String()] = true
	}
	if len(seen) < 49 { // two of 50 are equal once in 3,400 runs, three never
		t.Errorf("%d different codes of 50", len(seen))
	}
}

// said is what a stranger says, who takes any answer.
type said struct{ *bytes.Reader }

func (said) Write(p []byte) (int, error) { return len(p), nil }

func FuzzBothSidesTakeAnyBytes(f *testing.F) {
	client, err := configuration().Client()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(client.LoginInit([]byte("42-apple-river")).Serialize(), make([]byte, ke3Size)...))
	f.Add(make([]byte, 2*ke2Size))
	c := code(f, "42-apple-river")
	f.Fuzz(func(t *testing.T, data []byte) {
		if Offer(said{bytes.NewReader(data)}, c, "ada", "ben") == nil {
			t.Error("a stranger has guessed the code")
		}
		if Prove(said{bytes.NewReader(data)}, c, "ben", "ada") == nil {
			t.Error("a stranger has guessed the code")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("42-apple-river")
	f.Add("  42 aple")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := Parse(text); err == nil && code(t, c.String()) != c {
			t.Errorf("%q became %v", text, c)
		}
	})
}

func TestACodeIsCompletedWordByWord(t *testing.T) {
	cases := []struct {
		begun string
		want  []string
		last  bool
	}{
		{"42-appl", []string{"42-apple-"}, false},
		{"42-APPL", []string{"42-apple-"}, false},
		{"42-zo", []string{"42-zone-", "42-zoo-"}, false},
		{"42-apple-riv", []string{"42-apple-rival", "42-apple-river"}, true},
		{"42-river-river", []string{"42-river-river"}, true},
		{"42-xyz", nil, false},
		{"", nil, false},
		{"42", nil, false},
		{"42-", nil, false},
		{"42-apple-", nil, false},
		{"42-apple-river-zo", nil, false},
		{"ap", nil, false},
		{"x-ap", nil, false},
		{"42-İİİİ", nil, false}, // longer in lower case
	}
	for _, c := range cases {
		got, last := Complete(c.begun)
		if !slices.Equal(got, c.want) || last != c.last {
			t.Errorf("Complete(%q) = %q, %v, want %q, %v", c.begun, got, last, c.want, c.last)
		}
	}
}
