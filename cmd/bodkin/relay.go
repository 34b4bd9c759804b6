package main

import "github.com/bodkin-p2p/bodkin"

// A relayFlag is --relay of a command that may run a node of its own.
type relayFlag struct {
	policy bodkin.RelayPolicy
	given  bool
}

// String implements pflag.Value.
func (f *relayFlag) String() string { return f.policy.String() }

// Type implements pflag.Value: it is what help calls the argument.
func (f *relayFlag) Type() string { return "policy" }

// Set implements pflag.Value.
func (f *relayFlag) Set(text string) (err error) {
	f.policy, err = bodkin.ParseRelayPolicy(text)
	f.given = err == nil
	return err
}

// forRunning tells why the flag cannot be had from a node that runs already.
func (f *relayFlag) forRunning() error {
	if !f.given {
		return nil
	}
	return fail("end it, and start it with `bodkin up --relay="+f.policy.String()+"`", "this machine's node is running, and its relay policy holds for all commands")
}
