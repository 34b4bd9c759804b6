package natlab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
)

// A Cmd is an exec.Cmd whose process runs on a host. It is killed when the lab is closed or ends.
type Cmd struct {
	*exec.Cmd
	host *Host
}

// Command prepares a process on the host, as exec.CommandContext does.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{exec.CommandContext(ctx, name, args...), h}
}

// Start is exec.Cmd.Start, in the host's namespace.
func (c *Cmd) Start() error {
	if c.host.err != nil {
		return c.host.err
	}
	return c.host.lab.launcher.start(c.host.space, c.Cmd)
}

// Run is exec.Cmd.Run, in the host's namespace.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output is exec.Cmd.Output, in the host's namespace, but an ExitError holds no standard error.
func (c *Cmd) Output() ([]byte, error) {
	var out bytes.Buffer
	if c.Stdout != nil {
		return nil, errors.New("natlab: Stdout already set")
	}
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput is exec.Cmd.CombinedOutput, in the host's namespace.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stderr != nil {
		return nil, errors.New("natlab: Stderr already set")
	}
	var out bytes.Buffer
	if c.Stdout != nil {
		return nil, errors.New("natlab: Stdout already set")
	}
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}
