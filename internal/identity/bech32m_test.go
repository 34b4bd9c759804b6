package identity

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// The valid strings of BIP 350.
var bip350Valid = []string{
	"a1lqfn3a",
	"an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
	"abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
	"11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
	"split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
	"?1v759aa",
}

func TestBIP350StringsHaveRightChecksums(t *testing.T) {
	for _, text := range bip350Valid {
		i := strings.LastIndexByte(text, '1')
		prefix, body := text[:i], text[i+1:]
		data, _, err := decode(prefix, body)
		if err == nil && encode(prefix, data) != text {
			t.Errorf("%s: encodes as %s", text, encode(prefix, data))
		}
		// Some vectors are no whole number of bytes, which only shows after the checksum was found right.
		if err != nil && !errors.Is(err, errPadding) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestInvalidBIP350StringsAreToldApart(t *testing.T) {
	tests := []struct {
		prefix, body string
		want         error
	}{
		{"y", "b0jsk6g", errCharacter},
		{"lt", "igcx5c0", errCharacter},
		{"mm", "crxm3i", errCharacter},
		{"au", "s5cgom", errCharacter},
		{"in", "muywd", errLength},
		{"m", "vuxwez", errChecksum}, // computed with the prefix in upper case
		{"a", "2uel5l", errChecksum}, // bech32 of BIP 173, not bech32m
		{"bodkin", "", errLength},    // no checksum at all
		{"bodkin", "é" + "qqqqqq", errCharacter},
	}
	for _, tt := range tests {
		if _, _, err := decode(tt.prefix, tt.body); !errors.Is(err, tt.want) {
			t.Errorf("%s1%s: got %v, want %v", tt.prefix, tt.body, err, tt.want)
		}
	}
}

func TestTextsLongerThanTheCodeAreRefused(t *testing.T) {
	longest := maxSymbols - 2*len("bodkin") - 1 - checksumLen // symbols left for data
	text := encode("bodkin", make([]byte, longest*5/8))
	if _, _, err := decode("bodkin", strings.TrimPrefix(text, "bodkin1")); err != nil {
		t.Errorf("%d characters: %v", len(text), err)
	}
	text = encode("bodkin", make([]byte, longest*5/8+1))
	if _, _, err := decode("bodkin", strings.TrimPrefix(text, "bodkin1")); !errors.Is(err, errLength) {
		t.Errorf("%d characters: got %v, want %v", len(text), err, errLength)
	}
}

func TestOneDataHasOneText(t *testing.T) {
	for _, symbols := range [][]byte{{0}, {31, 1}, {31, 28, 0}, {0, 0, 0}} {
		if data, err := fromSymbols(symbols); err == nil && !bytes.Equal(toSymbols(data), symbols) {
			t.Errorf("%v is another text of %v", symbols, data)
		}
	}
}

func TestUnstepUndoesStep(t *testing.T) {
	sum := uint32(1)
	for i := range 1000 {
		symbol := byte(i*7) & 31
		next := step(sum, symbol)
		if got := unstep(next, symbol); got != sum {
			t.Fatalf("unstep(step(%#x, %d)) = %#x", sum, symbol, got)
		}
		sum = next
	}
}
