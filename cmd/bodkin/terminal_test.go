package main

import (
	"reflect"
	"strings"
	"testing"
	"unicode"
)

func TestTextFromElsewhereCannotControlTheTerminal(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain text, ümläuts, 日本語, 🪡", "plain text, ümläuts, 日本語, 🪡"},
		{"\x1b[2J\x1b]0;title\a", "␛[2J␛]0;title␇"},
		{"one\r\ntwo\tthree", "one␍␊two three"},
		{"\x9b31m C1 as a byte", "\ufffd31m C1 as a byte"},
		{"\u009b31m C1 as a rune", "\ufffd31m C1 as a rune"},
		{"back\b\x7f", "back␈␡"},
		{"turned \u202eround\u2066", "turned \ufffdround\ufffd"},
		{"lines\u2028apart", "lines\ufffdapart"},
		{"no UTF-8: \xff\xc3", "no UTF-8: \ufffd\ufffd"},
	}
	for _, test := range tests {
		if got := printable(test.in); got != test.want {
			t.Errorf("printable(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func FuzzPrintableHasNoControlCharacters(f *testing.F) {
	f.Add("\x1b[31mred")
	f.Add("\u202etxt.exe")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range printable(text) {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("printable(%q) has %q", text, r)
			}
		}
	})
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 64_000_000: "64.0 MB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		18_446_744_073_709_551_615: "18.4 EB",
	} {
		if got := byteCount(n); got != want {
			t.Errorf("byteCount(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestSizesAreReadWithTheirUnits(t *testing.T) {
	for text, want := range map[string]fileSize{
		"50MB": 50_000_000, "1.5GB": 1_500_000_000, "2000 kB": 2_000_000, "64000000": 64_000_000,
		"": 0, "MB": 0, "-5MB": 0, "NaN": 0, "Inf": 0, "1": 0, "9999GB": 0, "50 furlongs": 0,
	} {
		var got fileSize
		if err := got.Set(text); (err == nil) != (want != 0) || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestExposuresAreNamesWithAddresses(t *testing.T) {
	for text, want := range map[string]exposure{
		"ssh=localhost:22": {service: "ssh", address: "localhost:22"},
		"web=[::1]:8080":   {service: "web", address: "[::1]:8080"},
		"odd=a=b:1":        {service: "odd", address: "a=b:1"},
	} {
		if got, err := parseExpose(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "ssh", "=localhost:22", "ssh=", "ssh=localhost", "ssh=localhost:"} {
		if _, err := parseExpose(bad); err == nil || !strings.Contains(err.Error(), "NAME=HOST:PORT") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
