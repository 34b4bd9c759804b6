package main

import "testing"

// Seen to fail: with BIND taken for the port.
func TestAForwardIsCompletedWhereItIsBeingWritten(t *testing.T) {
	for begun, want := range map[string]struct {
		before, peer string
		isService    bool
	}{
		"":                     {},
		"80":                   {},
		"ben":                  {},
		"0.0.0.0:":             {},
		"0.0.0.0:80":           {},
		"99999:b":              {},
		"8080:":                {before: "8080:"},
		"8080:b":               {"8080:", "b", false},
		"8080:ben:":            {"8080:", "ben", true},
		"8080:ben:we":          {"8080:", "ben", true},
		"0.0.0.0:8080:b":       {"0.0.0.0:8080:", "b", false},
		"0.0.0.0:8080:ben:w":   {"0.0.0.0:8080:", "ben", true},
		"[::1]:8080:b":         {"[::1]:8080:", "b", false},
		"[::1]:8080:ben:":      {"[::1]:8080:", "ben", true},
		"[::1":                 {},
		"localhost:8080:ben:w": {"localhost:8080:", "ben", true},
	} {
		before, peer, isService := splitForward(begun)
		if before != want.before || peer != want.peer || isService != want.isService {
			t.Errorf("%q: %q %q %v, want %+v", begun, before, peer, isService, want)
		}
	}
}
