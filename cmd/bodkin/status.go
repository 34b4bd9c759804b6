package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

func newStatus(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell how the running node stands",
		Long: `Tell how the node that runs stands: its server, its network, its peers and the
paths to them, what it offers, forwards and receives, the streams that go through it, also
those of other commands, and what went wrong last.

The exit code is 0 if the node is connected to its server, 5 if it runs without
one at the moment (sessions go on), and 1 if none runs.`,
		Example: `  bodkin status
  bodkin status --json | jq -r .server.connected`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(c, "a JSON object: {name, id, pid, port, started, settings, server, network, peers, services, forwards, transfers, streams, problems}")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := connectRunning(c.Context(), g)
		if err != nil {
			return err
		}
		defer client.Close()
		s, err := statusOf(c, client)
		if err != nil {
			return err
		}
		if *asJSON {
			err = json.NewEncoder(c.OutOrStdout()).Encode(s)
		} else {
			err = printStatus(c.OutOrStdout(), s)
		}
		if err != nil || s.Server.Connected {
			return err
		}
		return &failure{code: exitServerUnreachable, text: "the node is not connected to its server", hint: "it goes on trying; sessions do not need the server"}
	}
	return c
}

// nodeStatus is how a node stands, as JSON has it. Lists are [], not null, if there is nothing.
type nodeStatus struct {
	Name      string           `json:"name"`
	ID        bodkin.NodeID    `json:"id"`
	PID       int              `json:"pid"`
	Port      uint16           `json:"port"`
	Started   time.Time        `json:"started"`
	Settings  *string          `json:"settings"` // null: there is no such file
	Server    serverStatus     `json:"server"`
	Network   networkStatus    `json:"network"`
	Peers     []peerJSON       `json:"peers"`
	Services  []serviceStatus  `json:"services"`
	Forwards  []forwardStatus  `json:"forwards"`
	Transfers []transferStatus `json:"transfers"`
	Streams   []streamStatus   `json:"streams"`  // at most control.MaxStreams, the newest
	Problems  []problemStatus  `json:"problems"` // the last warnings of the log, oldest first

	open int // streams, if there are more than listed
}

type serverStatus struct {
	Address   string         `json:"address"`
	Connected bool           `json:"connected"`
	RTT       float64        `json:"rtt_ms"`
	Reflexive netip.AddrPort `json:"reflexive"` // where the server sees the node, or saw it last
}

type networkStatus struct {
	Measured    bool            `json:"measured"`
	IPv4        string          `json:"ipv4"` // in the words of the four types
	IPv6        string          `json:"ipv6"`
	Mapping     string          `json:"mapping"`
	PortReuse   bool            `json:"port_reuse"`
	PortMapping *netip.AddrPort `json:"port_mapping"` // where the router forwards from; null: nowhere that is proven

	seen4, seen6 bool // the server has seen this machine there
}

type serviceStatus struct {
	Name  string   `json:"name"`
	What  string   `json:"what"`
	Allow []string `json:"allow"` // empty: the whole room
	Open  int64    `json:"open"`
	Total int64    `json:"total"`
}

type forwardStatus struct {
	Listen  string `json:"listen"`
	Peer    string `json:"peer"`
	Service string `json:"service"`
	Open    int64  `json:"open"`
	Total   int64  `json:"total"`
}

type transferStatus struct {
	From  string `json:"from"`
	Bytes int64  `json:"bytes"`
	Of    int64  `json:"of"`
	Files int    `json:"files"`
}

type problemStatus struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// statusOf asks the node.
func statusOf(c *cobra.Command, client *control.Client) (nodeStatus, error) {
	var peers []bodkin.Peer
	var service control.Service
	status, err := client.Status(c.Context())
	if err == nil {
		peers, err = client.Peers(c.Context())
	}
	if err == nil {
		service, err = client.Service(c.Context())
	}
	var streams []streamStatus
	var open int
	if err == nil {
		streams, open, err = streamsOf(c.Context(), client)
	}
	if err != nil {
		return nodeStatus{}, err
	}
	s := nodeStatus{
		Streams: streams, open: open,
		Name: client.Name(), ID: client.ID(), PID: client.Info().PID, Port: client.Info().Port, Started: service.Started,
		Server: serverStatus{status.Server, status.Connected, millis(status.RTT), status.Reflexive},
		Network: networkStatus{
			Measured: status.Measured, IPv4: status.IPv4.Classic, IPv6: status.IPv6.Classic, Mapping: status.Mapping, PortReuse: status.PortReuse,
			seen4: status.IPv4.Mapping != "unknown", seen6: status.IPv6.Mapping != "unknown",
		},
		Peers: []peerJSON{}, Services: []serviceStatus{}, Forwards: []forwardStatus{}, Transfers: []transferStatus{}, Problems: []problemStatus{},
	}
	if service.Settings != "" {
		s.Settings = &service.Settings
	}
	if status.PortMapping.Proven {
		s.Network.PortMapping = &status.PortMapping.External
	}
	for _, p := range peers {
		s.Peers = append(s.Peers, toJSON(p))
	}
	for _, o := range service.Offers {
		s.Services = append(s.Services, serviceStatus{o.Name, o.What, append([]string{}, o.Allow...), o.Open, o.Total})
	}
	for _, f := range service.Forwards {
		s.Forwards = append(s.Forwards, forwardStatus{f.Listen, f.Peer, f.Service, f.Open, f.Total})
	}
	for _, t := range service.Transfers {
		s.Transfers = append(s.Transfers, transferStatus{t.Peer, t.Bytes, t.Of, t.Files})
	}
	for _, p := range service.Problems {
		s.Problems = append(s.Problems, problemStatus{p.At, p.Text})
	}
	return s, nil
}

// String is for people: "IPv4 port restricted cone, no IPv6 to the server".
func (n networkStatus) String() string {
	if !n.Measured {
		return "not measured yet"
	}
	family := func(name, classic string, seen bool) string {
		if !seen {
			return "no " + name + " to the server"
		}
		return name + " " + strings.ToLower(classic)
	}
	return family("IPv4", n.IPv4, n.seen4) + ", " + family("IPv6", n.IPv6, n.seen6)
}

// printStatus is for people.
func printStatus(out io.Writer, s nodeStatus) error {
	style := styleOf(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", what, printable(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(out, "%s, node %s, up for %v (pid %d)\n", style.bold(printable(s.Name)), s.ID.Short(), time.Since(s.Started).Round(time.Second), s.PID)
	if s.Settings != nil {
		line("settings", "%s", *s.Settings)
	}
	if s.Server.Connected {
		line("server", "%s, %s away; it sees this machine at %s", s.Server.Address, shortTime(time.Duration(s.Server.RTT*float64(time.Millisecond))), s.Server.Reflexive)
	} else {
		line("server", "%s, not connected: trying again; sessions go on", s.Server.Address)
	}
	line("network", "%s (bodkin doctor tells more)", s.Network)
	if s.Network.PortMapping != nil {
		line("", "the router forwards %s", s.Network.PortMapping)
	}
	if !s.Network.PortReuse {
		line("", "sockets cannot share a local port here: no direct path through a NAT will open")
	}
	for _, p := range s.Peers {
		how := "no session"
		if p.Known != nil {
			how = fmt.Sprintf("refused, because the name is known as that of %s; if the machine was set up anew: bodkin forget %s", p.Known.Short(), p.Name)
		}
		if p.Path != nil {
			how = fmt.Sprintf("%s, %s in, %s out", *p.Path, byteCount(p.BytesIn), byteCount(p.BytesOut))
			if p.Why != "" {
				how += "; " + p.Why
			}
		}
		line("peer", "%s: %s", p.Name, how)
	}
	for _, o := range s.Services {
		who := "everybody"
		if len(o.Allow) > 0 {
			who = strings.Join(o.Allow, ", ")
		}
		line("service", "%s: %s, for %s; %d open, %d in all", o.Name, o.What, who, o.Open, o.Total)
	}
	for _, f := range s.Forwards {
		line("forward", "%s to %s of %s; %d open, %d in all", f.Listen, f.Service, f.Peer, f.Open, f.Total)
	}
	for _, t := range s.Transfers {
		line("receiving", "%s of %s from %s", byteCount(uint64(t.Bytes)), byteCount(uint64(t.Of)), t.From)
	}
	for _, stream := range s.Streams[max(0, len(s.Streams)-streamsShown):] {
		line("stream", "%s", stream.line(time.Now()))
	}
	if s.open > streamsShown {
		line("", "and %d more streams", s.open-streamsShown)
	}
	for _, p := range s.Problems {
		line("problem", "%s %s", p.At.Local().Format(time.DateTime), p.Text)
	}
	return w.Flush()
}
