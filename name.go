package bodkin

import (
	"fmt"
	"os"
	"strings"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

// CheckName tells why name cannot be a node's name; nil if it can.
func CheckName(name string) error {
	if !validName(name) {
		return fmt.Errorf("bodkin: name %q: want 1 to %d lower-case letters, digits and inner hyphens", name, wire.MaxName)
	}
	return nil
}

// validName tells whether name can be a node's: a DNS label in lower case (RFC 1123, section 2.1).
func validName(name string) bool {
	if name == "" || len(name) > wire.MaxName || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return !labelRune(r) }) < 0
}

func labelRune(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' }

// HostName is the name of a node that is given none: the first label of the host's name, made valid; "node" if nothing of it is left.
func HostName() string {
	host, _ := os.Hostname() // no name is as good as an unusable one
	label, _, _ := strings.Cut(strings.ToLower(host), ".")
	label = strings.Map(func(r rune) rune {
		if labelRune(r) {
			return r
		}
		return '-'
	}, label)
	if label = strings.Trim(label[:min(len(label), wire.MaxName)], "-"); label == "" {
		return "node"
	}
	return label
}
