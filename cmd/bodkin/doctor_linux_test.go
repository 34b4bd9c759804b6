package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// TestTheDoctorNamesTheNetwork runs the doctor behind several networks, as a person and as a script would.
func TestTheDoctorNamesTheNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		behavior natlab.Behavior
		want     []string // lines
	}{
		"port restricted cone": {natlab.PortRestrictedCone(), []string{
			"^Direct connections work with most peers; the others go by the relay of the server, if it has one.$",
			"^  IPv4 +Port restricted cone$",
			"^  direct   restricted and port restricted cones",
			"^  relay    symmetric, ports at random$",
			"filtering address-and-port-dependent",
			"^  the server dialled 198.51.100.1:[0-9]+ from 203.0.113.10: dropped$",
		}},
		"symmetric": {natlab.Symmetric(), []string{
			"^Direct connections work with some peers; the others go by the relay of the server, if it has one.$",
			"^  IPv4 +Symmetric$",
			"^ +external ports are random$",
			"^  direct   public, full cone",
			"^  - a router that uses one external port for all destinations",
			"^  from 10.1.0.2:[0-9]+ to 203.0.113.10:4000: seen as 198.51.100.1:[0-9]+$",
		}},
		"full cone": {natlab.FullCone(), []string{
			"^Direct connections work with every kind of peer.$",
			"^  IPv4 +(Full|Restricted) cone$",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := natlab.Test(t, natlab.Config{})
			s := lab.Host("s", natlab.At("203.0.113.10", "203.0.113.20"))
			a := lab.NAT("nat", c.behavior).Host("a")
			homes := t.TempDir()
			server := onHost(t, s, "^invite: bodkin1", "--home", filepath.Join(homes, "s"), "server")
			text, _ := server.output.now()
			invite := strings.TrimPrefix(regexp.MustCompile("(?m)^invite: .*$").FindString(text), "invite: ")
			home := filepath.Join(homes, "a")
			onHost(t, a, "^joined as ada", "--home", home, "join", "--name", "ada", invite)

			doctor := outputOf(t, a, "--home", home, "doctor", "--no-port-mapping")
			for _, line := range c.want {
				if !regexp.MustCompile("(?m)" + line).MatchString(doctor) {
					t.Errorf("no line %q", line)
				}
			}
			if t.Failed() || testing.Verbose() {
				t.Log("\n" + doctor)
			}
			var told struct {
				Verdict   string
				Complete  bool
				IPv4      struct{ Classic string }
				Prospects []struct{ Direct bool }
			}
			onHost(t, a, "^ada is up", "--home", home, "up", "--no-port-mapping") // whom it then asks
			if err := json.Unmarshal([]byte(outputOf(t, a, "--home", home, "doctor", "--json")), &told); err != nil {
				t.Fatal(err)
			}
			if !told.Complete || told.IPv4.Classic == "" || len(told.Prospects) == 0 || !strings.HasPrefix(doctor, told.Verdict) {
				t.Errorf("as JSON: %+v", told)
			}
		})
	}
}

// outputOf runs bodkin on a host to its end, which has to be a good one, and returns what it printed.
func outputOf(t *testing.T, host *natlab.Host, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("bodkin")
	check(t, err)
	cmd := host.Command(t.Context(), path, args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bodkin %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
