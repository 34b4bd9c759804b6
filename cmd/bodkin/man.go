package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long: `Write the manual into a directory: bodkin.1, and a page for each command. The packages
bring it; this is for a bodkin that was installed by go install, or copied.`,
		Example: `  bodkin man ~/.local/share/man/man1      then: man bodkin-send`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misuse("for example ~/.local/share/man/man1", "bodkin man wants DIR")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return writeManual(args[0], c.Root(), thisBuild()) },
	}
}

// writeManual writes the pages of root and its commands into dir, which it makes.
func writeManual(dir string, root *cobra.Command, b build) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range append(root.Commands(), root) {
		if c != root && (!c.IsAvailableCommand() || c.Name() == "help") {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, pageName(c)+".1"), []byte(manualPage(c, b)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pageName is the name of a command's page: bodkin-send.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manualPage is the page of a command, made of what its --help says.
func manualPage(c *cobra.Command, b build) string {
	root := c.Root()
	r := &roff{}
	r.line(".TH", quoted(strings.ToUpper(pageName(c))), `"1"`, `"`+b.date()+`"`, quoted("bodkin "+b.Version), `"Bodkin"`)
	r.section("Name")
	r.line(escaped(pageName(c)), `\-`, escaped(c.Short))
	r.section("Synopsis")
	synopsis(r, c)
	r.section("Description")
	r.prose(c.Long)
	commands(r, c)
	if flags := c.NonInheritedFlags(); flags.HasAvailableFlags() {
		r.section("Options")
		r.options(flags)
	}
	if flags := c.InheritedFlags(); flags.HasAvailableFlags() {
		r.section("Options of every command")
		r.options(flags)
	}
	if c.HasExample() {
		r.section("Examples")
		r.verbatim(c.Example)
	}
	for _, topic := range c.Commands() {
		if topic.IsAdditionalHelpTopicCommand() && topic.Name() != "help" {
			r.section(topic.Short)
			r.prose(topic.Long)
		}
	}
	r.section("See also")
	if c != root {
		r.line(`\fBbodkin\fR(1)`, "tells of the environment and the exit status of all commands.")
	} else {
		r.line("The documents and the source: https://github.com/bodkin\\-p2p/bodkin")
	}
	return r.String()
}

// synopsis writes the lines of usage that --help begins with.
func synopsis(r *roff, c *cobra.Command) {
	if c.Runnable() {
		name, rest, _ := strings.Cut(c.UseLine(), " "+c.Name())
		r.line(`\fB` + escaped(name+" "+c.Name()) + `\fR` + escaped(rest))
	}
	if c.HasAvailableSubCommands() {
		r.line(`\fB`+escaped(c.CommandPath())+`\fR`, `\fICOMMAND\fR`)
	}
}

// commands lists those of c, in their groups.
func commands(r *roff, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	r.section("Commands")
	list := func(group string) {
		for _, sub := range c.Commands() {
			if sub.GroupID != group || !sub.IsAvailableCommand() || sub.Name() == "help" {
				continue
			}
			r.line(".TP")
			if c.HasParent() {
				r.line(`\fB` + escaped(sub.CommandPath()) + `\fR`)
			} else {
				r.line(`\fB` + escaped(pageName(sub)) + `\fR(1)`)
			}
			r.line(escaped(sub.Short))
		}
	}
	for _, group := range c.Groups() {
		r.line(".SS", quoted(strings.TrimSuffix(group.Title, ":")))
		list(group.ID)
	}
	list("")
}
