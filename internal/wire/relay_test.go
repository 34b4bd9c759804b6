package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestRelayHelloKeepsItsToken(t *testing.T) {
	for _, n := range []int{MinTokenLen, 57, MaxTokenLen} {
		want := RelayHello{Attempt: AttemptID{1, 2, 3}, Token: bytes.Repeat([]byte{7}, n)}
		got, err := ParseRelayHello(want.Append(nil))
		if err != nil || got.Attempt != want.Attempt || !bytes.Equal(got.Token, want.Token) {
			t.Errorf("token of %d bytes: got %v, %v", n, got, err)
		}
	}
}

func TestRelayHelloRefusesWhatIsNotOne(t *testing.T) {
	good := RelayHello{Token: make([]byte, 20)}.Append(nil)
	cases := map[string][]byte{
		"nothing":               nil,
		"a preface of a peer":   Preface{}.Append(nil),
		"one byte short":        good[:len(good)-1],
		"one byte more":         append(bytes.Clone(good), 0),
		"a token of 15 bytes":   RelayHello{Token: make([]byte, MinTokenLen-1)}.Append(nil),
		"a token of 65 bytes":   RelayHello{Token: make([]byte, MaxTokenLen+1)}.Append(nil),
		"another version":       changed(good, 4),
		"another kind":          changed(good, 5),
		"not a word of Bodkin":  changed(good, 0),
		"a TLS client's record": append([]byte{0x16, 3, 1}, good...),
	}
	for name, b := range cases {
		if _, err := ParseRelayHello(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

func changed(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0x40
	return b
}

func FuzzParseRelayHello(f *testing.F) {
	f.Add(RelayHello{Attempt: AttemptID{1}, Token: make([]byte, MinTokenLen)}.Append(nil))
	f.Add(RelayHello{Token: make([]byte, MaxTokenLen)}.Append(nil))
	f.Add(Preface{}.Append(nil))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseRelayHello(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error is not ErrMalformed: %v", err)
			}
			return
		}
		if again := h.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("parsed and appended again: %x, was %x", again, b)
		}
	})
}
