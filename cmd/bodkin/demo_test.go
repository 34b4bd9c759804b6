package main

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDemoProgressFitsTheTerminal(t *testing.T) {
	escapes := regexp.MustCompile(`\x1b\[[0-9;]*[mK]`)
	for _, width := range []int{1, 20, 40, 50, 60, 80, 200} {
		var out strings.Builder
		s := &story{out: &out, style: style{colour: true}, live: true, width: func() int { return width }}
		p := s.progress(demoMaxSize)
		p.samples[0].at = time.Now().Add(-time.Second)
		for _, done := range []int64{0, 1, 999_900_000, demoMaxSize / 2, demoMaxSize} {
			out.Reset()
			p.draw(time.Now(), done)
			line := strings.TrimPrefix(escapes.ReplaceAllString(out.String(), ""), "\r")
			if n := utf8.RuneCountInString(line); n >= max(width, len(barIndent)+1) {
				t.Errorf("%d columns of %d: %q", n, width, line)
			}
			if bar := strings.ContainsAny(line, "█░"); bar != (width >= 60) {
				t.Errorf("a bar in %d columns is %v: %q", width, bar, line)
			}
		}
	}
}
