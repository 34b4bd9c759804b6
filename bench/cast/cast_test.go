package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

// TestReadmesShowWhatIsPlayed compares the commands of the cast that is in them, and plays it once more.
func TestReadmesShowWhatIsPlayed(t *testing.T) {
	text, err := play(t.Context(), t.TempDir(), 64<<10)
	if errors.Is(err, natlab.ErrUnavailable) && os.Getenv("NATLAB") != "require" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text)
	if got := len(commands(text)); got != 3 {
		t.Errorf("%d commands are typed, want 3", got)
	}
	for _, name := range readmes {
		readme, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		_, old, _, err := shown(string(readme))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := commands(withoutCode(old)), commands(withoutCode(text)); !slices.Equal(got, want) {
			t.Errorf("%s has other commands: go run ./bench/cast -write\n got %q\nwant %q", name, got, want)
		}
	}
}

// commands are the lines of a cast that somebody has typed.
func commands(text string) []string {
	var typed []string
	for line := range strings.Lines(text) {
		for _, s := range story {
			if strings.HasPrefix(line, s.who+"$ ") {
				typed = append(typed, strings.TrimSpace(line))
			}
		}
	}
	return typed
}

// withoutCode is a cast with the same code as any other.
func withoutCode(text string) string {
	if found := printed["$CODE"].FindStringSubmatch(text); found != nil {
		return strings.ReplaceAll(text, found[1], "$CODE")
	}
	return text
}

func TestATerminalShowsWhatWasWrittenLast(t *testing.T) {
	for output, want := range map[string]string{
		"":                                   "",
		"a\r\nb\r\n":                         "a\nb\n",
		"10 %\r\x1b[K20 %\r\x1b[Kdone\r\n":   "done\n",
		"longer\rshort\r\n":                  "shortr\n",
		"\x1b[1mbold\x1b[0m and plain\r\n":   "bold and plain\n",
		"a line that moves\r\x1b[K":          "",
		"ä\rö\r\n":                           "ö\n",
		"the code\r\nis: 7\r\n\r\n \r\n\r\n": "the code\nis: 7\n",
	} {
		if got := rendered(output); got != want {
			t.Errorf("%q: got %q, want %q", output, got, want)
		}
	}
}
