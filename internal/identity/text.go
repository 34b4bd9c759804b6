package identity

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Errors about texts. All of them come inside a [TextError].
var (
	// ErrInviteChecksum means that an invite was mistyped or cut: asking for it again helps.
	ErrInviteChecksum = errors.New("the invite is mistyped")
	// ErrIDChecksum means the same of a node, server or room id.
	ErrIDChecksum = errors.New("the id is mistyped")
	// ErrWrongKind means that the text is something else than what was asked for.
	ErrWrongKind = errors.New("the text is of another kind")
	// ErrInviteVersion means that the invite was made by a newer Bodkin.
	ErrInviteVersion = errors.New("the invite is of an unknown version")
	// ErrInviteContent means that the invite is spelled right but says something impossible.
	ErrInviteContent = errors.New("the invite is not valid")
)

// A TextError tells why a text is no invite or id. Its message is made for people and never
// has more of the text in it than one character, since an invite is a secret.
type TextError struct {
	Kind    string // what was asked for: "invite", "node id", "server id", "room id", "secret key"
	At      int    // where the typing error is: 1 is the first character, white space not counted; 0 if it cannot be told
	Problem string // what is wrong and what to do
	Err     error  // one of the sentinels above
}

func (e *TextError) Error() string { return e.Kind + ": " + e.Problem }

// Unwrap returns e.Err.
func (e *TextError) Unwrap() error { return e.Err }

// maxText bounds what is looked at: the longest invite, generously wrapped and indented.
const maxText = 8 << 10

// parse returns the data of a text that must begin with prefix. It takes texts as people paste
// them: wrapped, indented, in any case.
func parse(prefix, text string) ([]byte, error) {
	want := kindOf(prefix)
	if len(text) > maxText {
		return nil, &TextError{want.name, 0, "far too long to be one", ErrWrongKind}
	}
	text = clean(text)
	body, ok := strings.CutPrefix(text, prefix+"1")
	if !ok {
		return nil, prefixError(want, text)
	}
	data, typo, err := decode(prefix, body)
	if err != nil {
		return nil, typingError(want, body, typo, err)
	}
	return data, nil
}

// clean removes what mail programs, terminals and phones add to a pasted text.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) { // Cf: zero-width space, byte order mark, soft hyphen
			return -1
		}
		return r
	}, text)
	return strings.TrimPrefix(strings.ToLower(text), "invite:") // as the server prints it
}

// prefixError tells what text is instead of the wanted kind.
func prefixError(want kind, text string) error {
	if text == "" {
		return &TextError{want.name, 0, "nothing given", ErrWrongKind}
	}
	for _, k := range kinds() {
		if strings.HasPrefix(text, k.prefix+"1") {
			return &TextError{want.name, 0, fmt.Sprintf("this is %s, not %s", k.a, want.a), ErrWrongKind}
		}
	}
	start := want.prefix + "1"
	if at, near := firstDifference(start, text); near {
		return &TextError{want.name, at + 1, fmt.Sprintf("mistyped: it begins with %q", start), want.typo}
	}
	return &TextError{want.name, 0, fmt.Sprintf("this is not one: it begins with %q", start), ErrWrongKind}
}

// firstDifference compares the beginning of text with start. They are near if at most two characters differ.
func firstDifference(start, text string) (at int, near bool) {
	if len(text) < len(start) {
		return 0, false
	}
	at, different := -1, 0
	for i := range len(start) {
		if start[i] == text[i] {
			continue
		}
		if different++; at < 0 {
			at = i
		}
	}
	return at, different <= 2
}

// typingError puts a decoding error into words.
func typingError(want kind, body string, t typo, err error) error {
	e := &TextError{Kind: want.name, Err: want.typo}
	before := len(want.prefix) + len("1")
	if t.what != unknownMistake {
		e.At = before + t.at + 1
	}
	switch {
	case errors.Is(err, errLength):
		e.Problem = fmt.Sprintf("mistyped: %d characters is not a possible length; is part of it missing?", before+len(body))
	case errors.Is(err, errPadding):
		e.Problem, e.Err = "spelled right, but not written by Bodkin", ErrWrongKind
	case errors.Is(err, errCharacter):
		e.Problem = fmt.Sprintf("mistyped: character %d is %q, which never occurs%s", e.At, runeAt(body, t.at), lookalike(body[t.at]))
	case t.what == wrongCharacter:
		e.Problem = fmt.Sprintf("mistyped: character %d looks wrong (%q would fit)", e.At, t.fits)
	case t.what == swappedCharacters:
		e.Problem = fmt.Sprintf("mistyped: characters %d and %d look swapped", e.At, e.At+1)
	case t.what == extraCharacter:
		e.Problem = fmt.Sprintf("mistyped: character %d looks like one too many", e.At)
	case t.what == missingCharacter:
		e.Problem = fmt.Sprintf("mistyped: a character seems to be missing before character %d (%q would fit)", e.At, t.fits)
	default:
		e.Problem = "mistyped: several characters are wrong or missing; copy it again"
	}
	return e
}

func runeAt(s string, i int) rune {
	for _, r := range s[i:] {
		return r
	}
	return unicode.ReplacementChar
}

// lookalike hints at what was meant by one of the four characters that bech32 leaves out.
func lookalike(c byte) string {
	switch c {
	case '1', 'i':
		return ` (an "l"?)`
	case 'o':
		return ` (a zero?)`
	case 'b':
		return ` (an "8" or a "6"?)`
	}
	return ""
}
