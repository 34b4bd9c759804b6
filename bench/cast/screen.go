package main

import (
	"regexp"
	"strings"
)

// escape is a control sequence of a terminal (ECMA-48, 5.4).
var escape = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// rendered is what stands on a terminal after all of output was written to it: a carriage return goes back to the beginning of the line,
// and an erasure leaves what is before it. Other sequences, which colour, do nothing.
func rendered(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		lines = append(lines, strings.TrimRight(renderedLine(strings.TrimRight(line, "\r\n")), " "))
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

func renderedLine(line string) string {
	var cells []rune
	at := 0
	for line != "" {
		if found := escape.FindStringIndex(line); found != nil && found[0] == 0 {
			if strings.HasSuffix(line[:found[1]], "K") {
				cells = cells[:min(at, len(cells))]
			}
			line = line[found[1]:]
			continue
		}
		r := []rune(line)[0]
		line = line[len(string(r)):]
		switch {
		case r == '\r':
			at = 0
		case at < len(cells):
			cells[at] = r
			at++
		default:
			cells = append(cells, r)
			at++
		}
	}
	return string(cells)
}
