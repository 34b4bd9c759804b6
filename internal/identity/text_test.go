package identity

import (
	"errors"
	"strings"
	"testing"
)

// sampleInvite is an invite with made-up keys.
func sampleInvite() Invite {
	return Invite{
		Servers: []string{"rendezvous.example.org:4000", "[2001:db8::5]:4000"},
		Server:  ServerID{1, 2, 3, 4, 5, 6, 7, 8, 9, 250},
		Room:    RoomFromSecret([SecretSize]byte{11, 22, 33, 44, 55, 66, 77, 88, 99}),
	}
}

func TestEveryWrongCharacterIsFoundAndLocated(t *testing.T) {
	text := sampleInvite().String()
	for i := range text {
		for c := byte('!'); c <= '~'; c++ {
			if c >= 'A' && c <= 'Z' || c == text[i] {
				continue
			}
			wrong := text[:i] + string(c) + text[i+1:]
			e := parseError(t, wrong)
			if !errors.Is(e, ErrInviteChecksum) || e.At != i+1 {
				t.Fatalf("%q in place of character %d (%q): %v, at %d", c, i+1, text[i], e, e.At)
			}
			if strings.Contains(charset, string(c)) && i > len(invitePrefix) && !strings.Contains(e.Problem, "'"+text[i:i+1]+"'") {
				t.Fatalf("%q in place of character %d: %v does not suggest %q", c, i+1, e, text[i])
			}
		}
	}
}

func TestSwappedNeighboursAreFoundAndLocated(t *testing.T) {
	text := sampleInvite().String()
	for i := len(invitePrefix + "1"); i < len(text)-1; i++ {
		if text[i] == text[i+1] {
			continue
		}
		e := parseError(t, text[:i]+text[i+1:i+2]+text[i:i+1]+text[i+2:])
		if !errors.Is(e, ErrInviteChecksum) || e.At != i+1 || !strings.Contains(e.Problem, "swapped") {
			t.Fatalf("characters %d and %d swapped: %v, at %d", i+1, i+2, e, e.At)
		}
	}
}

func TestMissingAndExtraCharactersAreFoundAndLocated(t *testing.T) {
	text := sampleInvite().String()
	for i := len(invitePrefix + "1"); i < len(text); i++ {
		without := text[:i] + text[i+1:]
		e := parseError(t, without)
		// In a run of equal characters it cannot be told which one is missing.
		if !errors.Is(e, ErrInviteChecksum) || text[:e.At-1]+text[i:i+1]+text[e.At:] != text {
			t.Errorf("without character %d: %v, at %d", i+1, e, e.At)
		}
		e = parseError(t, text[:i]+"q"+text[i:])
		if !errors.Is(e, ErrInviteChecksum) || e.At == 0 {
			t.Errorf("one more before character %d: %v, at %d", i+1, e, e.At)
		}
	}
}

func TestTwoWrongCharactersAreFound(t *testing.T) {
	text := sampleInvite().String()
	start := len(invitePrefix + "1")
	for i := start; i < len(text); i++ {
		for j := i + 1; j < len(text); j++ {
			b := []byte(text)
			b[i], b[j] = other(b[i]), other(b[j])
			if e := parseError(t, string(b)); !errors.Is(e, ErrInviteChecksum) {
				t.Fatalf("characters %d and %d wrong: %v", i+1, j+1, e)
			}
		}
	}
}

func other(c byte) byte { return charset[(strings.IndexByte(charset, c)+13)%len(charset)] }

func TestCutInvitesAreToldAsMistyped(t *testing.T) {
	text := sampleInvite().String()
	for n := len(invitePrefix + "1"); n < len(text); n++ {
		if e := parseError(t, text[:n]); !errors.Is(e, ErrInviteChecksum) {
			t.Errorf("first %d characters: %v", n, e)
		}
	}
}

func TestErrorsTellWhatTheTextIs(t *testing.T) {
	key := RoomFromSecret([SecretSize]byte{1}) // any id will do
	tests := []struct {
		text, message string
		err           error
	}{
		{"", "nothing given", ErrWrongKind},
		{" \n\t", "nothing given", ErrWrongKind},
		{"hello", `this is not one: it begins with "bodkin1"`, ErrWrongKind},
		{"https://example.org/", `this is not one: it begins with "bodkin1"`, ErrWrongKind},
		{NodeID(key.ID()).String(), "this is a node id, not an invite", ErrWrongKind},
		{ServerID(key.ID()).String(), "this is a server id", ErrWrongKind},
		{key.ID().String(), "this is a room id", ErrWrongKind},
		{string(Key{key.signer}.file()[55:]), "this is a secret key", ErrWrongKind},
		{"bodkim1qqqqqqq", `it begins with "bodkin1"`, ErrInviteChecksum},
		{"bodkinlqqqqqqq", `it begins with "bodkin1"`, ErrInviteChecksum},
		{"bodkin1qqqqoqqq", `character 12 is 'o', which never occurs (a zero?)`, ErrInviteChecksum},
		{"bodkin1qqqq1qqq", `character 12 is '1', which never occurs (an "l"?)`, ErrInviteChecksum},
		{"bodkin1qqqqéqqq", `character 12 is 'é', which never occurs`, ErrInviteChecksum},
		{"bodkin1" + strings.Repeat("q", 3000), "3007 characters is not a possible length", ErrInviteChecksum},
		{strings.Repeat("q", maxText+1), "far too long", ErrWrongKind},
	}
	for _, tt := range tests {
		e := parseError(t, tt.text)
		if !errors.Is(e, tt.err) || !strings.Contains(e.Error(), tt.message) {
			t.Errorf("%.40q: got %v, want %q", tt.text, e, tt.message)
		}
	}
}

func TestErrorsDoNotTellSecrets(t *testing.T) {
	text := sampleInvite().String()
	e := parseError(t, text[:60]+"b"+text[61:])
	for i := range len(text) - 4 {
		if part := text[i : i+4]; i > len(invitePrefix) && strings.Contains(e.Error(), part) {
			t.Errorf("%q shows %q", e, part)
		}
	}
}

// parseError returns why ParseInvite refuses text.
func parseError(t *testing.T, text string) *TextError {
	t.Helper()
	_, err := ParseInvite(text)
	e, ok := errors.AsType[*TextError](err)
	if !ok {
		t.Fatalf("ParseInvite(%.200q): got %v, want a TextError", text, err)
	}
	return e
}
