// Package netns makes network namespaces of the kernel for measurements in which no process may stand between the two ends: veth pairs between
// them, and routers of nftables. It needs root and the programs ip and nft. Package natlab needs neither, and carries every packet itself.
package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Spaces are the namespaces of one measurement. Their real names have the number of this process, so that several may run at once.
type Spaces struct {
	prefix string
	made   []string
}

// New makes namespaces with these names. The caller must close them.
func New(ctx context.Context, names ...string) (*Spaces, error) {
	s := &Spaces{prefix: fmt.Sprintf("bodkin-%d-", os.Getpid())}
	for _, name := range names {
		if err := s.Run(ctx, "ip netns add $"+name); err != nil {
			s.Close()
			return nil, errors.Join(err, errors.New("network namespaces need root"))
		}
		s.made = append(s.made, name)
	}
	return s, nil
}

// Run runs lines of commands one after the other, in which $name stands for the namespace of that name, and stops at the first that fails.
func (s *Spaces) Run(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(os.Expand(line, func(name string) string { return s.prefix + name }))
		out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, out)
		}
	}
	return nil
}

// Command returns a program that is to run in a namespace.
func (s *Spaces) Command(ctx context.Context, space, program string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.prefix + space, program}, args...)...)
}

// Close takes the namespaces away, and with them their links. What still runs in one keeps it until it ends.
func (s *Spaces) Close() {
	for _, name := range s.made {
		exec.Command("ip", "netns", "delete", s.prefix+name).Run() // it is there, unless somebody else has deleted it
	}
	s.made = nil
}
