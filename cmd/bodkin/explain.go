package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/settings"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
	"github.com/bodkin-p2p/bodkin/internal/typo"
	"github.com/bodkin-p2p/bodkin/server"
)

// Exit codes. Scripts rely on them.
const (
	exitFailed            = 1
	exitUsage             = 2
	exitNoDirectPath      = 3 // only with --direct-only
	exitPeerUnavailable   = 4
	exitServerUnreachable = 5
	exitRefused           = 6 // not authorised, by the server or by this machine
)

// A failure is an error as a person is told of it: what happened, and what to do next.
type failure struct {
	code int    // of the process
	text string // one line if possible
	hint string // may be empty
	err  error  // may be nil
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// fail makes an ordinary failure.
func fail(hint, format string, args ...any) error {
	return &failure{code: exitFailed, hint: hint, text: fmt.Sprintf(format, args...)}
}

// misuse makes a failure of the command line.
func misuse(hint, format string, args ...any) error {
	return &failure{code: exitUsage, hint: hint, text: fmt.Sprintf(format, args...)}
}

// usageError makes a failure of what cobra says of the command line.
func usageError(err error) error {
	var told *failure
	if errors.As(err, &told) {
		return err
	}
	text, rest, _ := strings.Cut(noiseNumber.ReplaceAllString(err.Error(), "no number"), "\n")
	if extra := noiseArgument.FindStringSubmatch(text); extra != nil {
		return misuse(fmt.Sprintf("`%s --help` has examples", extra[2]), "%s takes no such argument: %s", extra[2], extra[1])
	}
	hint := "`bodkin --help` shows all commands, `bodkin COMMAND --help` one of them"
	if guess := strings.Fields(strings.TrimPrefix(strings.TrimSpace(rest), "Did you mean this?")); len(guess) > 0 {
		hint = "did you mean `bodkin " + strings.Join(guess, "` or `bodkin ") + "`?"
	}
	return misuse(hint, "%s", text)
}

// wrongFlag makes a failure of a flag that a command does not have, or not with this value.
func wrongFlag(c *cobra.Command, err error) error {
	f := &failure{code: exitUsage, text: noiseNumber.ReplaceAllString(err.Error(), "no number"), hint: fmt.Sprintf("`%s --help` lists its flags", c.CommandPath())}
	var unknown *pflag.NotExistError
	switch {
	case !errors.As(err, &unknown):
	case unknown.GetSpecifiedShortnames() != "":
		f.hint += "; what begins with - and is no flag goes after --"
	default:
		var flags []string
		collect := func(flag *pflag.Flag) { flags = append(flags, flag.Name) }
		c.LocalFlags().VisitAll(collect)
		c.InheritedFlags().VisitAll(collect)
		if near := typo.Nearest(unknown.GetSpecifiedName(), flags); len(near) > 0 {
			f.hint = "did you mean --" + strings.Join(near, " or --") + "?"
		}
	}
	return f
}

// report tells errs of err and returns the exit code. An interruption needs no words: whoever sent it knows.
func report(errs io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var stopped interruption
	if errors.As(err, &stopped) {
		return stopped.exitCode()
	}
	f := explain(err)
	style := styleOf(errs)
	fmt.Fprintf(errs, "%s %s\n", style.bad("bodkin:"), printableLines(f.text))
	if f.hint != "" {
		fmt.Fprintf(errs, "%s %s\n", style.faint("hint:"), printableLines(f.hint))
	}
	return f.code
}

// explain finds the words for err.
func explain(err error) *failure {
	var told *failure
	if errors.As(err, &told) {
		return told
	}
	f := &failure{code: exitFailed, text: plain(err), err: err}
	var refused *bodkin.RefusedError
	var wrong settings.Problems
	var changed *bodkin.KeyChangedError
	switch {
	case errors.As(err, &changed):
		f.code = exitRefused
		f.text = fmt.Sprintf("another node goes by the name %s now, and is refused\nknown: %s\nnow:   %s", changed.Name, changed.Known, changed.Now)
		f.hint = fmt.Sprintf("if that machine was set up anew: `bodkin forget %s`, then try again; if not, somebody in the room has taken its name", changed.Name)
	case errors.As(err, &wrong):
		f.code, f.text = exitUsage, wrong.Error()
		f.hint = "`bodkin config example` shows all keys, with what they take"
	case errors.Is(err, control.ErrWrongSettings):
		f.code, f.hint = exitUsage, "nothing has changed; `bodkin config check` tells of the file, `bodkin config example` shows all keys"
	case errors.Is(err, bodkin.ErrNoDirectPath):
		f.hint = "`bodkin doctor`, here and there, tells how the two networks treat TCP and what would help"
	case errors.Is(err, bodkin.ErrPeerUnavailable):
		f.code = exitPeerUnavailable
		f.hint = "`bodkin peers` shows who is; the other machine needs `bodkin up`"
	case errors.Is(err, bodkin.ErrServerUnreachable):
		f.code = exitServerUnreachable
		f.text = f.text[max(0, strings.LastIndex(f.text, "server unreachable")):] // each layer says it
		f.hint = unreachable(err)
	case errors.As(err, &refused):
		f.text = strings.TrimSuffix("the server refused this node: "+refused.Text, ": ")
		f.code, f.hint = refusal(refused)
	case errors.Is(err, bodkin.ErrRefused):
		f.code, f.hint = refusal(&bodkin.RefusedError{})
	case errors.Is(err, bodkin.ErrServiceTaken):
		f.hint = "another command of this machine listens on it; choose another name, or end that one"
	case errors.Is(err, bodkin.ErrServiceUnknown):
		f.hint = "on the other machine: `bodkin listen SERVICE`, or `bodkin up --expose SERVICE=HOST:PORT`"
	case errors.Is(err, server.ErrHomeInUse):
		f.hint = "end that one, or give this one a home of its own: --home DIR"
	case errors.Is(err, control.ErrForeign):
		f.hint = foreignHome
	case errors.Is(err, control.ErrStopped):
		f.hint = "start `bodkin up` again"
	case errors.Is(err, context.DeadlineExceeded):
		f.hint = "try again; `--verbose` shows what happens"
	}
	return f
}

// foreignHome is what to do about a home that is not this user's.
const foreignHome = "run this as the user whose it is (`sudo -u NAME bodkin ...`), or give a home of your own: --home DIR"

// refusal finds the exit code and the hint for a refusal.
func refusal(r *bodkin.RefusedError) (code int, hint string) {
	switch r.Reason {
	case bodkin.RefusedRoom:
		return exitRefused, "ask for a new invite: `bodkin invite` on the server, then `bodkin join INVITE --replace` here"
	case bodkin.RefusedName:
		return exitRefused, "`bodkin join INVITE --name OTHER` takes another name"
	case bodkin.RefusedVersion:
		return exitRefused, "update bodkin, here or on the server"
	case bodkin.RefusedReplaced:
		return exitRefused, "the same node joined from somewhere else; a copy of this home needs a `bodkin join` of its own, with --home NEW"
	case bodkin.RefusedBusy: // passes by itself, unlike the others
		if r.RetryAfter <= 0 {
			return exitFailed, "wait a little, then try again"
		}
		return exitFailed, fmt.Sprintf("wait %.0f s, then try again", math.Ceil(r.RetryAfter.Seconds()))
	}
	return exitRefused, "try again; `--verbose` shows what happens"
}

// about says which peer an error is about, where the error does not say so itself.
func about(peer string, err error) error {
	f := explain(err)
	switch {
	case errors.Is(err, bodkin.ErrPeerUnavailable):
		f.text = fmt.Sprintf("no node %q is online in this room", peer)
	case errors.Is(err, bodkin.ErrServiceUnknown):
		f.text = fmt.Sprintf("%s has no such service", peer)
	case errors.Is(err, bodkin.ErrNoDirectPath):
		f.text = "no direct path to " + peer + tried(err)
	}
	return f
}

// tried tells what was tried for a path: in the same line, or several in a line each.
func tried(err error) string {
	var path *bodkin.PathError
	if !errors.As(err, &path) {
		return ""
	}
	if len(path.Tries) == 0 {
		return ": it has no address that this node may dial"
	}
	separator, text := ": ", ""
	if len(path.Tries) > 1 {
		separator, text = "\n", ":"
	}
	for _, t := range path.Tries {
		text += fmt.Sprintf("%s%s %v, round %d: %s", separator, t.Candidate, t.Remote, t.Round, t.Outcome)
	}
	for _, side := range []struct {
		whose    string
		behavior bodkin.Behavior
	}{{"this network", path.Local}, {"the peer's network", path.Remote}} {
		if b := side.behavior; b.Classic != "" && b.Classic != "Unknown" {
			text += fmt.Sprintf("\n%s: %s (mapping %s, filtering %s, unsolicited SYNs %s)", side.whose, b.Classic, b.Mapping, b.Filtering, b.Unsolicited)
		}
	}
	if path.Why != "" {
		text += "\nwhy: " + path.Why
	}
	return text
}

var (
	noisePackages = regexp.MustCompile(`(^|: |\n)(?:(?:bodkin|session|server|identity|forward): )+`)
	noiseNumber   = regexp.MustCompile(`strconv\.\w+: parsing .*: (invalid syntax|value out of range)`)
	noiseArgument = regexp.MustCompile(`^unknown command (".*") for "(bodkin [\w ]+)"$`)
	noiseFile     = regexp.MustCompile(`(^|: )(?:l?stat|GetFileAttributesEx|CreateFile) (/|[A-Z]:\\|\\\\)`)
	noiseTimeout  = regexp.MustCompile(`context deadline exceeded|i/o timeout|connection timed out`)
	noiseDial     = regexp.MustCompile(`dial tcp [^ ]*: (connect: )?`)
)

// plain is an error's text without the names of packages and system calls.
func plain(err error) string {
	text := noiseDial.ReplaceAllString(noisePackages.ReplaceAllString(err.Error(), "$1"), "")
	return noiseTimeout.ReplaceAllString(noiseFile.ReplaceAllString(text, "$1$2"), "no answer in time")
}

// addressInUse finds out whether err is about a listening address that something else has, and which.
func addressInUse(err error) (address string, inUse bool) {
	var op *net.OpError
	if !sockerr.IsInUse(err) || !errors.As(err, &op) || op.Addr == nil {
		return "", sockerr.IsInUse(err)
	}
	return op.Addr.String(), true
}
