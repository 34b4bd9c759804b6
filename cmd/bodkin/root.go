package main

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// globals are the flags that all commands share.
type globals struct {
	home    string // --home; see openHome
	verbose bool   // --verbose
	config  string // --config; see settingsPath
	relay   relayFlag
	started bool // the command line was understood, and its command has begun

	noPortMapping bool            // --no-port-mapping; see nodeFlags
	noLAN         bool            // --no-lan
	search        bool            // --search
	connections   connectionsFlag // --connections of up

	logLevel  levelFlag  // --log-level
	logFormat formatFlag // --log-format

	command *cobra.Command     // that runs; set when it has started
	hangups func() <-chan bool // takes SIGHUP over; see withSignals
	log     *logbook           // of a command that has made its own; nil: see nodeConfig
}

// given tells whether a flag of the command was given.
func (g *globals) given(flag string) bool { return g.command != nil && g.command.Flags().Changed(flag) }

func newRoot(g *globals) *cobra.Command {
	cobra.EnableCommandSorting = false // help lists commands in the order in which people come to need them
	root := &cobra.Command{
		Use:   "bodkin",
		Short: "Direct TCP connections between machines behind NATs",
		Long: `Bodkin makes a direct TCP connection between two machines that are both behind
NATs. A small server introduces the two; the bytes do not pass through it.`,
		Example: `  On a machine with a public address:
    bodkin server                     prints an invite

  On each of the other machines:
    bodkin join INVITE                once
    bodkin up                         leave it running

  Then, from any of them to any other:
    bodkin peers                      who is here
    bodkin ping ben                   is there a direct path, and how long is it
    bodkin send photos --to ben       where ben runs: bodkin receive
    bodkin chat ben                   talk
    tar c photos | bodkin connect ben backup

  See it all on this machine alone, with two NATs in between (Linux):
    bodkin demo`,
		Version:       thisBuild().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			if err := c.ValidateFlagGroups(); err != nil { // before cobra does, which takes it for a failure of the command
				return flagsApart(err)
			}
			g.started, g.command = true, c
			return nil
		},
	}
	root.PersistentFlags().StringVar(&g.home, "home", "", "`directory` of keys, room and control socket (default $BODKIN_HOME, else the system's place for settings)")
	root.PersistentFlags().BoolVarP(&g.verbose, "verbose", "v", false, "log what the node does to stderr; the same as --log-level=debug")
	root.PersistentFlags().StringVar(&g.config, "config", "", "`file` of settings (default $BODKIN_CONFIG, else bodkin.toml in the home)")
	root.PersistentFlags().Var(&g.logLevel, "log-level", "log to stderr: debug, info, warn or error (default warn for up, info for server, else nothing)")
	root.PersistentFlags().Var(&g.logFormat, "log-format", "how to log: text or json (default text)")
	root.SetVersionTemplate("bodkin {{.Version}}\n")
	root.SetUsageTemplate(usageTemplate)

	root.AddGroup(
		&cobra.Group{ID: "server", Title: "On the server:"},
		&cobra.Group{ID: "node", Title: "This machine in a room:"},
		&cobra.Group{ID: "use", Title: "To other machines:"},
		&cobra.Group{ID: "learn", Title: "To see how it works:"},
		&cobra.Group{ID: "also", Title: "Also:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("server", newServer(g), newInvite(g))
	add("node", newJoin(g), newUp(g), newPeers(g), newServices(g), newForget(g), newStatus(g), newReload(g), newConfig(g), newServiceCommand(g))
	add("use", newPing(g), newSend(g), newReceive(g), newConnect(g), newListen(g), newForward(g), newChat(g))
	add("learn", newDoctor(g), newBench(g), newDemo(g))
	add("also", newVersion(), newMan())
	root.AddCommand(newTopics()...)
	root.SetHelpCommandGroupID("also")
	root.SetCompletionCommandGroupID("also")
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	refuseUnknown(root)
	root.SetFlagErrorFunc(wrongFlag)
	completeFlags(root)
	wrapLong(root)
	return root
}

// helpWidth is how many columns help takes.
const helpWidth = 80

// wrapLong breaks the prose of a command, and of those below it, into lines that fit a terminal. Paragraphs with lines that are
// indented stay as they are.
func wrapLong(c *cobra.Command) {
	paragraphs := strings.Split(strings.TrimSpace(c.Long), "\n\n")
	for i, p := range paragraphs {
		if !strings.Contains("\n"+p, "\n ") && !strings.Contains("\n"+p, "\n\t") {
			paragraphs[i] = wrapped(p, "", helpWidth)
		}
	}
	c.Long = strings.Join(paragraphs, "\n\n")
	for _, sub := range c.Commands() {
		wrapLong(sub)
	}
}

// refuseUnknown has commands that only have others below them, and help, refuse what they do not know: cobra prints their help then, and
// ends with 0.
func refuseUnknown(root *cobra.Command) {
	for _, c := range root.Commands() {
		switch {
		case c.Name() == "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if found, rest, err := root.Find(args); err != nil || found == root && len(args) > 0 || len(rest) > 0 {
					return misuse("`bodkin --help` lists commands", "there is no help on %q", strings.Join(args, " "))
				}
				return nil
			}
		case c.HasSubCommands() && !c.Runnable():
			c.Args = cobra.NoArgs
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

// flagsApart says which flags cannot go together, in fewer words than cobra.
func flagsApart(err error) error {
	both := regexp.MustCompile(`\[([^\]]*)\] were all set`).FindStringSubmatch(err.Error())
	if both == nil {
		return err
	}
	return misuse("leave all but one of them out", "these cannot go together: --%s", strings.ReplaceAll(both[1], " ", ", --"))
}

// jsonFlag adds --json to a command that prints results.
func jsonFlag(c *cobra.Command, what string) *bool {
	return c.Flags().Bool("json", false, "print "+what)
}

// usageTemplate is cobra's, with the examples before the flags: they are read first.
const usageTemplate = `Usage:{{if and .Runnable (not .HasAvailableSubCommands)}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help")))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if not .Groups}}

Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" tells more of a command, with examples.{{end}}{{if .HasHelpSubCommands}}
"{{.CommandPath}} help environment" lists variables, "{{.CommandPath}} help exit-codes" how commands end.{{end}}
`
