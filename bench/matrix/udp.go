package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// noUDP are the rules of a host in a network that lets no UDP pass: not even to its neighbours.
const noUDP = `
table inet noudp {
	chain output { type filter hook output priority 0; meta l4proto udp drop; }
	chain input { type filter hook input priority 0; meta l4proto udp drop; }
}
`

// silenceUDP keeps a host from sending and hearing UDP.
func silenceUDP(h *natlab.Host) error {
	for _, name := range []string{"nft", "/usr/sbin/nft", "/sbin/nft"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		load := h.Command(context.Background(), path, "-f", "-")
		load.Stdin = strings.NewReader(noUDP)
		if out, err := load.CombinedOutput(); err != nil {
			return fmt.Errorf("load nft rules: %w: %s", err, out)
		}
		return nil
	}
	return errors.New("no nft program; on Debian: apt-get install nftables")
}
