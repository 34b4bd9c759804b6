package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/internal/settings"
	"github.com/bodkin-p2p/bodkin/server"
)

func newServer(g *globals) *cobra.Command {
	var config server.Config
	c := &cobra.Command{
		Use:   "server",
		Short: "Introduce nodes to each other, on a machine with a public address",
		Long: `Run the rendezvous server. It needs two TCP ports that the nodes can reach: the
main port, to which they stay connected, and the hole port, which shows it how
their NATs behave. It does not see what the nodes send each other. Its home directory
holds the secrets of its rooms, for the invites: keep it private. Where two nodes cannot connect directly it relays their bytes, through the
main port and within limits, unless it is told not to.

The first start makes keys and one room in the home directory. Every start prints
one line to stdout, "invite: bodkin1...", when the server is ready. Whoever has
the invite can join the room: keep it like a password.

With --http, "bodkin server health ADDRESS" tells by its exit code whether the server
is well: for containers, and for those who watch.

The log goes to stderr. Ctrl-C or SIGTERM ends the server; nodes that are
connected to each other stay connected.`,
		Example: `  bodkin server
  bodkin server --advertise bodkin.example.org
  bodkin server --main 203.0.113.5:4000 --main '[2001:db8::5]:4000' --http 127.0.0.1:9090`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(newHealth())
	flags := c.Flags()
	flags.StringArrayVar(&config.Main, "main", []string{server.DefaultMain}, "`address` of the main listener; may be repeated")
	flags.StringArrayVar(&config.Hole, "hole", []string{server.DefaultHole}, "`address` of the hole listener; may be repeated")
	flags.StringArrayVar(&config.Advertise, "advertise", nil, "`host` to put into invites; may be repeated (default the addresses of this machine)")
	flags.StringVar(&config.HTTP, "http", "", "`address` for /metrics and /healthz (default none)")
	relay := flags.Bool("relay", true, "relay the bytes of nodes that cannot connect directly; they are encrypted from end to end")
	asJSON := jsonFlag(c, "one JSON object instead: {invite, main, hole, http}")
	c.RunE = func(c *cobra.Command, _ []string) error {
		h, err := openHome(g)
		if err != nil {
			return err
		}
		f, err := loadSettings(g, h)
		if err != nil {
			return err
		}
		config.Home, config.NoRelay = h.dir, !*relay
		fillServer(g, &config, f.Server)
		if err := checkAddresses(config); err != nil {
			return err
		}
		log := openLog(g, f, slog.LevelInfo, c.ErrOrStderr())
		config.Log = log.Logger
		return runServer(c, config, *asJSON, !*asJSON && log.format == formatText)
	}
	return c
}

// checkAddresses refuses what cannot be listened on anywhere.
func checkAddresses(config server.Config) error {
	check := func(flag, address string) error {
		if isAddress(address) {
			return nil
		}
		hint := fmt.Sprintf("for example %s :4000, or %[1]s 203.0.113.5:4000", flag)
		if flag == "--http" {
			hint = "for example --http 127.0.0.1:9090"
		}
		return misuse(hint, "%s %s: want [HOST]:PORT", flag, address)
	}
	var err error
	for _, address := range config.Main {
		err = cmp.Or(err, check("--main", address))
		if slices.Contains(config.Hole, address) && !strings.HasSuffix(address, ":0") {
			err = cmp.Or(err, misuse("for example --main :443 --hole :8000", "--main and --hole cannot both be %s: they are two ports", address))
		}
	}
	for _, address := range config.Hole {
		err = cmp.Or(err, check("--hole", address))
	}
	if config.HTTP != "" {
		err = cmp.Or(err, check("--http", config.HTTP))
	}
	return err
}

// fillServer takes from the file what flags do not say.
func fillServer(g *globals, config *server.Config, f settings.Server) {
	for _, list := range []struct {
		flag string
		from []string
		to   *[]string
	}{{"main", f.Main, &config.Main}, {"hole", f.Hole, &config.Hole}, {"advertise", f.Advertise, &config.Advertise}} {
		if len(list.from) > 0 && !g.given(list.flag) {
			*list.to = list.from
		}
	}
	if f.HTTP != nil && !g.given("http") {
		config.HTTP = *f.HTTP
	}
	if f.Relay != nil && !g.given("relay") {
		config.NoRelay = !*f.Relay
	}
}

// runServer serves until the command's context ends. forPeople has it say on stderr what to do with the invite.
func runServer(c *cobra.Command, config server.Config, asJSON, forPeople bool) error {
	s, err := server.Open(config)
	if err != nil {
		return cannotServe(config, err)
	}
	invite, err := s.Invite(server.DefaultRoom)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()

	if asJSON {
		err = json.NewEncoder(c.OutOrStdout()).Encode(struct {
			Invite string           `json:"invite"`
			Main   []netip.AddrPort `json:"main"`
			Hole   []netip.AddrPort `json:"hole"`
			HTTP   *netip.AddrPort  `json:"http"`
		}{invite.String(), s.MainAddrs(), s.HoleAddrs(), valid(s.HTTPAddr())})
	} else {
		_, err = fmt.Fprintln(c.OutOrStdout(), "invite:", invite)
	}
	if err != nil { // nobody would learn the invite
		cancel()
		return errors.Join(err, <-served)
	}
	if forPeople {
		nextSteps(c.ErrOrStderr(), invite.Servers, len(config.Advertise) > 0, s.MainAddrs(), s.HoleAddrs())
	}
	config.Log.Info("serving", "main", s.MainAddrs(), "hole", s.HoleAddrs())
	notify(config.Log, serviceReady)
	err = <-served
	notify(config.Log, serviceStopping)
	return err
}

// valid returns nil for the zero address.
func valid(addr netip.AddrPort) *netip.AddrPort {
	if !addr.IsValid() {
		return nil
	}
	return &addr
}
