package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryJSONIsDescribed looks in docs/cli.md for each command that has --json.
//
// Seen to fail: with the row of demo taken out.
func TestEveryJSONIsDescribed(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(string(page), -1) {
		described = append(described, row[1])
	}
	rows := strings.Join(described, "\n")
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), "bodkin ")
		if c.Flags().Lookup("json") != nil && !strings.Contains(rows, "`"+name+"`") {
			t.Errorf("docs/cli.md says nothing of bodkin %s --json", name)
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(newRoot(&globals{}))
}
