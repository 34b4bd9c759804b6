package pairing

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/tyler-smith/go-bip39/wordlists"
)

// words is how many of them a code has.
const words = 2

// MaxNumber is the highest number a code can have.
const MaxNumber = 9999

// ErrNoCode tells that a text is no code. Its words say why.
var ErrNoCode = errors.New("not a code")

// A Code is known to the users of two nodes, and to nobody else.
type Code struct {
	Number int    // says who offers; no secret
	secret string // the words, with a hyphen between
}

// New draws a code.
func New(number int) (Code, error) {
	var drawn []string
	for range words {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(len(wordlists.English))))
		if err != nil {
			return Code{}, err
		}
		drawn = append(drawn, wordlists.English[i.Int64()])
	}
	return Code{number, strings.Join(drawn, "-")}, nil
}

// String is the code as it is told: 42-apple-river.
func (c Code) String() string { return strconv.Itoa(c.Number) + "-" + c.secret }

// Parse reads a code, in any case and with spaces or hyphens. A word that no code can have is an error, so that a slip does not
// use a code up; the error names the word, not the code.
func Parse(text string) (Code, error) {
	parts := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == '-' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
	if len(parts) != 1+words {
		return Code{}, fmt.Errorf("%w: want a number and %d words, such as 42-apple-river", ErrNoCode, words)
	}
	number, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil || number > MaxNumber {
		return Code{}, fmt.Errorf("%w: it begins with a number, such as 42-apple-river", ErrNoCode)
	}
	for _, word := range parts[1:] {
		if _, known := slices.BinarySearch(wordlists.English, word); !known {
			return Code{}, fmt.Errorf("%w: no code has the word %q%s", ErrNoCode, word, similar(word))
		}
	}
	return Code{int(number), strings.Join(parts[1:], "-")}, nil
}

// similar proposes words for one that is none. The first four letters of a word are no other's.
func similar(word string) string {
	for n := min(4, len(word)); n >= 3; n-- {
		for _, w := range wordlists.English {
			if strings.HasPrefix(w, word[:n]) {
				return fmt.Sprintf("; is it %q?", w)
			}
		}
	}
	return ""
}

// Complete lists what a code that was begun may be with the word that is being typed, 42-ap: 42-apart- and so on, and whether that was the
// last word. Nothing is listed before a word has a letter.
func Complete(begun string) (codes []string, last bool) {
	begun = strings.ToLower(begun)
	number, rest, _ := strings.Cut(begun, "-")
	if _, err := strconv.ParseUint(number, 10, 16); err != nil {
		return nil, false
	}
	typed := strings.Split(rest, "-")
	word := typed[len(typed)-1]
	if word == "" || len(typed) > words {
		return nil, false
	}
	before, behind := begun[:len(begun)-len(word)], "-"
	if last = len(typed) == words; last {
		behind = ""
	}
	for _, w := range wordlists.English {
		if strings.HasPrefix(w, word) {
			codes = append(codes, before+w+behind)
		}
	}
	return codes, last
}
