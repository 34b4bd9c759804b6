package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/settings"
)

func newReload(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "reload",
		Short: "Let the running node take up its changed settings",
		Long: `Let the node that runs read its settings file again, as SIGHUP does, and tell what
has changed. Connections stay, those of services that are gone too. A file with a mistake
changes nothing.`,
		Example: `  bodkin config check && bodkin reload`,
		Args:    cobra.NoArgs,
	}
	asJSON := jsonFlag(c, "a JSON object: {changes, at_restart}, two lists of texts")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := connectRunning(c.Context(), g)
		if err != nil {
			return err
		}
		defer client.Close()
		done, err := client.Reload(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(done)
		}
		return printReloaded(c.OutOrStdout(), done)
	}
	return c
}

// connectRunning returns the node that runs for the home, and an error if none does.
func connectRunning(ctx context.Context, g *globals) (*control.Client, error) {
	h, err := openHome(g)
	if err != nil {
		return nil, err
	}
	client, err := control.Connect(ctx, h.dir)
	if errors.Is(err, control.ErrNotRunning) {
		return nil, &failure{code: exitFailed, err: err, text: "no node is running for " + h.dir, hint: "start it: `bodkin up`"}
	}
	return client, err
}

func printReloaded(out io.Writer, done control.Reloaded) error {
	if len(done.Changes)+len(done.AtRestart) == 0 {
		_, err := fmt.Fprintln(out, "nothing has changed")
		return err
	}
	for _, change := range done.Changes {
		fmt.Fprintln(out, change)
	}
	for _, key := range done.AtRestart {
		fmt.Fprintf(out, "%s: at the next start\n", key)
	}
	return nil
}

// A reloader makes a node follow its settings.
type reloader struct {
	globals *globals
	home    home
	flags   upFlags
	log     *logbook

	started *settings.File // what the node was started with

	mu sync.Mutex // held over a reload
}

// reload reads the settings again. If something in them cannot be, nothing changes.
func (r *reloader) reload(s *serving) (control.Reloaded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	notify(r.log.Logger, serviceReloading)
	defer notify(r.log.Logger, serviceReady)
	done, err := r.follow(s)
	if err != nil {
		r.log.Error("settings were not taken up", "err", err)
		if explain(err).code == exitUsage {
			err = wrongSettings{err}
		}
		return done, err
	}
	r.log.Info("settings taken up", "changes", done.Changes, "at_restart", done.AtRestart)
	return done, nil
}

// wrongSettings is an error in the settings, for the command that wanted them taken up.
type wrongSettings struct{ error }

func (w wrongSettings) Unwrap() []error { return []error{w.error, control.ErrWrongSettings} }

func (r *reloader) follow(s *serving) (done control.Reloaded, err error) {
	done = control.Reloaded{Changes: []string{}, AtRestart: []string{}} // [], not null
	f, err := loadSettings(r.globals, r.home)
	if err != nil {
		return done, err
	}
	p, err := planOf(r.flags, f)
	if err != nil {
		return done, err
	}
	changes, err := s.apply(p)
	if err != nil {
		return done, err
	}
	done.Changes = append(done.Changes, changes...)
	if level := levelOf(r.globals, f, slog.LevelWarn); level != r.log.level.Level() {
		r.log.level.Set(level)
		done.Changes = append(done.Changes, "now logs from "+strings.ToLower(level.String()))
	}
	done.AtRestart = append(done.AtRestart, atRestart(r.globals, r.started, f)...)
	return done, nil
}

// atRestart lists the keys whose change a running node cannot follow.
func atRestart(g *globals, was, is *settings.File) (keys []string) {
	for _, key := range []struct {
		name    string
		flag    string
		was, is any
	}{
		{"mesh", "mesh", was.Mesh, is.Mesh},
		{"wait", "wait", was.Wait, is.Wait},
		{"relay", "relay", was.Relay, is.Relay},
		{"search", "search", was.Search, is.Search},
		{"port-mapping", "no-port-mapping", was.PortMapping, is.PortMapping},
		{"lan", "no-lan", was.LAN, is.LAN},
		{"connections", "connections", was.Connections, is.Connections},
		{"introductions", "no-introductions", was.Introduce, is.Introduce},
		{"log-format", "log-format", was.LogFormat, is.LogFormat},
	} {
		if !reflect.DeepEqual(key.was, key.is) && !g.given(key.flag) {
			keys = append(keys, key.name)
		}
	}
	return keys
}

// report tells what the node does as a service.
func (r *reloader) report(s *serving, started time.Time) control.Service {
	report := s.report()
	report.Started = started
	if path, _ := settingsPath(r.globals, r.home); isRegular(path) {
		report.Settings = path
	}
	for _, w := range r.log.recent.list() {
		report.Problems = append(report.Problems, control.Problem{At: w.at, Text: w.text})
	}
	return report
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
