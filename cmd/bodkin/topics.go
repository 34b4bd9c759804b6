package main

import "github.com/spf13/cobra"

// newTopics are what `bodkin help TOPIC` tells beside the commands. The manual has them as sections of bodkin(1), named by
// their Short.
func newTopics() []*cobra.Command {
	return []*cobra.Command{
		{
			Use:   "environment",
			Short: "Environment",
			Long: `Variables of the environment that bodkin heeds. A flag that says the same wins.

  BODKIN_HOME             directory of keys, room and control socket (--home)
  BODKIN_CONFIG           file of settings; unlike that of --config it need not be there
  BODKIN_INVITE           invite for bodkin join, and for commands on a machine that has
                          joined no room; other users cannot see it, as they can arguments
  BODKIN_CODE             one-time code for bodkin receive
  BODKIN_NO_PORT_MAPPING  if set, the router is not asked for a port (--no-port-mapping)
  BODKIN_NO_LAN           if set, nothing is said on the local network (--no-lan)
  HTTPS_PROXY, NO_PROXY   the proxy through which the server is reached where there is
                          no other way, and for which servers there is none
  NO_COLOR                if set, no colours`,
		},
		{
			Use:   "exit-codes",
			Short: "Exit status",
			Long: `How bodkin ends. Scripts can rely on it.

  0    done
  1    failed
  2    wrong usage
  3    no direct path (with --direct-only)
  4    no such peer online
  5    server unreachable
  6    refused
  130  ended by Ctrl-C, 143 by SIGTERM: 128 and the number of the signal`,
		},
	}
}
