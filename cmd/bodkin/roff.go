package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// A roff is a manual page that grows, in the man(7) macros that groff and mandoc both know.
type roff struct{ strings.Builder }

// line writes a line as it is: a macro, or text that has been escaped.
func (r *roff) line(parts ...string) {
	r.WriteString(strings.Join(parts, " "))
	r.WriteByte('\n')
}

// section begins one.
func (r *roff) section(title string) { r.line(".SH", quoted(strings.ToUpper(title))) }

// prose writes text as --help has it: paragraphs, to be filled anew; indented lines stay as they are.
func (r *roff) prose(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			r.line(".PP")
		}
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			r.verbatim(paragraph)
			continue
		}
		for _, line := range strings.Split(paragraph, "\n") {
			r.line(escaped(strings.TrimSpace(line)))
		}
	}
}

// verbatim writes an example: its lines, in a typewriter's type where there is one.
func (r *roff) verbatim(text string) {
	r.line(".EX")
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if line = strings.TrimRight(line, " "); line == "" {
			r.line(".sp")
			continue
		}
		r.line(escaped(line))
	}
	r.line(".EE")
}

// options writes the flags as --help lists them, defaults included.
func (r *roff) options(flags *pflag.FlagSet) {
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		alone := pflag.NewFlagSet("", pflag.ContinueOnError)
		alone.AddFlag(flag)
		head, usage, _ := strings.Cut(strings.TrimSpace(alone.FlagUsages()), "   ")
		names, argument := head, ""
		if at := strings.LastIndex(head, "--"); strings.Contains(head[at:], " ") {
			at += strings.Index(head[at:], " ")
			names, argument = head[:at], ` \fI`+escaped(head[at+1:])+`\fR`
		}
		r.line(".TP")
		r.line(`\fB` + escaped(names) + `\fR` + argument)
		r.line(escaped(strings.TrimSpace(usage)))
	})
}

// escaped is text with nothing in it that roff takes for its own: a hyphen stays the one of ASCII, so that an option can
// be copied, and a line does not begin with the mark of a macro.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", "\\(ga", `^`, `\(ha`, `~`, `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// quoted is an argument of a macro.
func quoted(text string) string { return `"` + strings.ReplaceAll(escaped(text), `"`, `\(dq`) + `"` }
