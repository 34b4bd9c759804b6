package main

import (
	"fmt"
	"os"
	"strings"
)

// Before and behind the cast in the readmes.
const (
	opening = "<!-- go run ./bench/cast -write -->\n```\n"
	closing = "```\n"
)

// shown returns the cast that a readme has, and what is before and behind it.
func shown(readme string) (before, text, behind string, err error) {
	before, rest, ok := strings.Cut(readme, opening)
	text, behind, closed := strings.Cut(rest, closing)
	if !ok || !closed {
		return "", "", "", fmt.Errorf("there is no %q with %q behind it", opening, closing)
	}
	return before + opening, text, closing + behind, nil
}

// replace puts a new cast into a readme.
func replace(name, text string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, _, behind, err := shown(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(before+text+behind), 0o644)
}
