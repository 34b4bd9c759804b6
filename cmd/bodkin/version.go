package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// A build is what the go command recorded in this program about where it came from.
type build struct {
	Version  string  `json:"version"`  // of the module; "devel" where the go command knew none
	Commit   *string `json:"commit"`   // null where it was not built in a checkout
	Time     *string `json:"time"`     // of the commit
	Modified bool    `json:"modified"` // the checkout had changes that were not committed
	Go       string  `json:"go"`
	OS       string  `json:"os"`
	Arch     string  `json:"arch"`
}

// thisBuild reads it.
func thisBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = &s.Value
		case "vcs.time":
			b.Time = &s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// date is the day of the commit, "2006-01-02", or nothing.
func (b build) date() string {
	if b.Time == nil {
		return ""
	}
	at, err := time.Parse(time.RFC3339, *b.Time)
	if err != nil {
		return ""
	}
	return at.UTC().Format(time.DateOnly)
}

// String tells it to people, in two or three lines.
func (b build) String() string {
	text := "bodkin " + b.Version + "\n"
	if b.Commit != nil {
		text += "commit " + *b.Commit
		if b.Time != nil {
			text += " of " + *b.Time
		}
		if b.Modified {
			text += ", with changes"
		}
		text += "\n"
	}
	return text + fmt.Sprintf("built by %s for %s/%s\n", b.Go, b.OS, b.Arch)
}

func newVersion() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Tell which bodkin this is",
		Long: `Tell which version this is, of which commit, and by which Go it was built for which
system. A build of a release and of its commit on another machine gives the same bytes.`,
		Example: `  bodkin version
  bodkin version --json`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(c, "one JSON object instead: {version, commit, time, modified, go, os, arch}")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(thisBuild())
		}
		_, err := fmt.Fprint(c.OutOrStdout(), thisBuild())
		return err
	}
	return c
}
