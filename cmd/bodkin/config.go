package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/internal/settings"
)

const (
	settingsFile = "bodkin.toml"
	// maxSettings bounds what is read of it.
	maxSettings = 1 << 20
)

func newConfig(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "config COMMAND",
		Short: "Check the settings file, or print an example of one",
		Long: `The settings of a node and a server can be in a file, bodkin.toml in the home, or
where --config or BODKIN_CONFIG says. It is in TOML; everything that bodkin up can be
told by flags can be there, and flags win over it. A running node takes changes up
by bodkin reload or SIGHUP.`,
		Example: `  bodkin config example > ~/.config/bodkin/bodkin.toml
  bodkin config check`,
	}
	check := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Tell what is wrong with the settings file, and where",
		Long: `Read the settings file as bodkin up would, and tell of every mistake its line and
column. The exit code is 2 if there is one. Nothing is changed.`,
		Example: `  bodkin config check
  bodkin config check /etc/bodkin/bodkin.toml`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON := jsonFlag(check, "a JSON object: {file, problems: [{line, column, problem, hint}]}")
	check.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			g.config = args[0]
		}
		return checkConfig(c, g, *asJSON)
	}
	example := &cobra.Command{
		Use:     "example",
		Short:   "Print a settings file with every key, each in a comment",
		Long:    `Print a settings file that says nothing yet: every key is there, in a comment that explains it.`,
		Example: `  bodkin config example > ~/.config/bodkin/bodkin.toml`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), settings.Example())
			return err
		},
	}
	c.AddCommand(check, example)
	return c
}

func checkConfig(c *cobra.Command, g *globals, asJSON bool) error {
	h, err := openHome(g)
	if err != nil {
		return err
	}
	path, _ := settingsPath(g, h)
	if _, err := os.Stat(path); err != nil {
		return fail("`bodkin config example` prints one to begin with", "no settings to check: %v", plain(err))
	}
	f, err := readSettings(path)
	if err == nil {
		_, err = planOf(upFlags{}, f)
	}
	var problems settings.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	if asJSON {
		if jsonErr := problemsJSON(c.OutOrStdout(), path, problems); jsonErr != nil {
			return jsonErr
		}
	}
	if err != nil {
		return err
	}
	if !asJSON {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s is in order\n", path)
	}
	return err
}

// settingsPath tells where the settings are, and whether they have to be there.
func settingsPath(g *globals, h home) (path string, must bool) {
	switch named := os.Getenv("BODKIN_CONFIG"); {
	case g.config != "":
		return g.config, true
	case named != "":
		return named, false
	}
	return h.path(settingsFile), false
}

// loadSettings reads the settings. Without a file they are empty.
func loadSettings(g *globals, h home) (*settings.File, error) {
	path, must := settingsPath(g, h)
	f, err := readSettings(path)
	if errors.Is(err, fs.ErrNotExist) {
		if must {
			return nil, misuse("`bodkin config example` prints one to begin with", "--config %s: there is no such file", path)
		}
		return &settings.File{}, nil
	}
	return f, err
}

// readSettings reads a file of settings, and checks what can be checked of it alone.
func readSettings(path string) (*settings.File, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxSettings) {
		err = fmt.Errorf("%s: want a file of at most %s", path, byteCount(maxSettings))
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := settings.Parse(path, data)
	if err != nil {
		return nil, err
	}
	return f, checkSettings(f)
}

// checkSettings refuses values that cannot be, of the keys that are the same for all commands.
func checkSettings(f *settings.File) error {
	var problems settings.Problems
	if f.LogLevel != nil {
		if _, err := parseLevel(*f.LogLevel); err != nil {
			problems = append(problems, f.At("log-level: "+err.Error(), "", "log-level"))
		}
	}
	if f.LogFormat != nil {
		if err := new(formatFlag).Set(*f.LogFormat); err != nil {
			problems = append(problems, f.At("log-format: "+err.Error(), "", "log-format"))
		}
	}
	if f.Relay != nil {
		if err := new(relayFlag).Set(*f.Relay); err != nil {
			problems = append(problems, f.At("relay: "+plain(err), "", "relay"))
		}
	}
	if f.Connections != nil {
		if err := new(connectionsFlag).set(*f.Connections); err != nil {
			problems = append(problems, f.At("connections: "+err.Error(), "", "connections"))
		}
	}
	check := func(address string, path ...string) {
		if !isAddress(address) {
			problems = append(problems, f.At(fmt.Sprintf("want [HOST]:PORT, not %q", address), "for example :4000", path...))
		}
	}
	for i, address := range f.Server.Main {
		check(address, "server", "main", fmt.Sprint(i))
	}
	for i, address := range f.Server.Hole {
		check(address, "server", "hole", fmt.Sprint(i))
	}
	if f.Server.HTTP != nil && *f.Server.HTTP != "" {
		check(*f.Server.HTTP, "server", "http")
	}
	if problems != nil {
		return problems.InOrder()
	}
	return nil
}

// fill gives the flags that all commands share the values of the file, where they were not given themselves. The environment wins over
// the file, too.
func (g *globals) fill(f *settings.File) {
	if f.Relay != nil && !g.relay.given {
		policy := relayFlag{}
		if policy.Set(*f.Relay) == nil { // others were refused
			g.relay.policy = policy.policy
		}
	}
	if f.Search != nil && !g.given("search") {
		g.search = *f.Search
	}
	if f.PortMapping != nil && !g.given("no-port-mapping") {
		g.noPortMapping = !*f.PortMapping
	}
	if f.LAN != nil && !g.given("no-lan") {
		g.noLAN = !*f.LAN
	}
	if f.Connections != nil && !g.given("connections") {
		g.connections.set(*f.Connections) // others were refused
	}
}

// problemsJSON prints what config check --json has found.
func problemsJSON(out io.Writer, path string, problems settings.Problems) error {
	type problem struct {
		Line    int    `json:"line"` // 0: not known
		Column  int    `json:"column"`
		Problem string `json:"problem"`
		Hint    string `json:"hint"`
	}
	list := make([]problem, len(problems)) // [], not null, if there is none
	for i, p := range problems {
		list[i] = problem{p.Line, p.Column, p.Text, p.Hint}
	}
	return json.NewEncoder(out).Encode(struct {
		File     string    `json:"file"`
		Problems []problem `json:"problems"`
	}{path, list})
}
