package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/settings"
)

// levelOff is above all levels there are.
const levelOff = slog.Level(100)

// A levelFlag is --log-level.
type levelFlag struct {
	level slog.Level
	given bool
}

// String implements pflag.Value.
func (f *levelFlag) String() string {
	if !f.given {
		return ""
	}
	return strings.ToLower(f.level.String())
}

// Type implements pflag.Value.
func (f *levelFlag) Type() string { return "level" }

// Set implements pflag.Value.
func (f *levelFlag) Set(text string) (err error) {
	f.level, err = parseLevel(text)
	f.given = err == nil
	return err
}

func parseLevel(text string) (slog.Level, error) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.ToLower(level.String()) == text {
			return level, nil
		}
	}
	return 0, fmt.Errorf("want debug, info, warn or error, not %q", text)
}

// A formatFlag is --log-format.
type formatFlag string

const (
	formatText formatFlag = "text"
	formatJSON formatFlag = "json"
)

// String implements pflag.Value.
func (f *formatFlag) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *formatFlag) Type() string { return "format" }

// Set implements pflag.Value.
func (f *formatFlag) Set(text string) error {
	if text != string(formatText) && text != string(formatJSON) {
		return fmt.Errorf("want text or json, not %q", text)
	}
	*f = formatFlag(text)
	return nil
}

// A logbook is the log of a command: its level can change, and it remembers the last warnings.
type logbook struct {
	*slog.Logger
	level  *slog.LevelVar
	format formatFlag
	recent *recent
}

// openLog makes the log that the flags ask for, or else the file, or else one of a usual level.
func openLog(g *globals, f *settings.File, usual slog.Level, errs io.Writer) *logbook {
	l := &logbook{level: new(slog.LevelVar), format: g.logFormat, recent: new(recent)}
	if f.LogFormat != nil {
		l.format = cmp.Or(l.format, formatFlag(*f.LogFormat))
	}
	l.format = cmp.Or(l.format, formatText)
	l.level.Set(levelOf(g, f, usual))
	l.Logger = slog.New(remembering{handlerOf(l.format, errs, l.level), l.recent})
	return l
}

// levelOf decides between the flags, the file and what is usual.
func levelOf(g *globals, f *settings.File, usual slog.Level) slog.Level {
	switch {
	case g.logLevel.given:
		return g.logLevel.level
	case g.verbose:
		return slog.LevelDebug
	case f.LogLevel != nil:
		if level, err := parseLevel(*f.LogLevel); err == nil { // others were refused
			return level
		}
	}
	return usual
}

func handlerOf(format formatFlag, w io.Writer, level slog.Leveler) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if format == formatJSON {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// maxRecent is how many warnings are remembered.
const maxRecent = 10

// recent is the last warnings and errors of a log.
type recent struct {
	mu  sync.Mutex
	all []warning // oldest first
}

// A warning is one line of a log.
type warning struct {
	at   time.Time
	text string
}

func (r *recent) add(w warning) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all = append(r.all, w); len(r.all) > maxRecent {
		r.all = r.all[1:]
	}
}

func (r *recent) list() []warning {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]warning(nil), r.all...)
}

// remembering is a handler that keeps warnings, also those that are not to be printed.
type remembering struct {
	slog.Handler
	recent *recent
}

// Enabled implements slog.Handler.
func (h remembering) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h remembering) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool {
			text += fmt.Sprintf(", %s %v", a.Key, a.Value)
			return true
		})
		h.recent.add(warning{r.Time, text})
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h remembering) WithAttrs(attrs []slog.Attr) slog.Handler {
	return remembering{h.Handler.WithAttrs(attrs), h.recent}
}

// WithGroup implements slog.Handler.
func (h remembering) WithGroup(name string) slog.Handler {
	return remembering{h.Handler.WithGroup(name), h.recent}
}
