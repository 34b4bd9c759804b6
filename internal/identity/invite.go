package identity

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of an invite.
const (
	MaxServers    = 8   // addresses in an invite; at least one
	MaxServerAddr = 255 // bytes of one address
)

// inviteVersion is the first byte of an invite's data:
//
//	byte    version, 1
//	[32]    server's public key
//	[16]    room's secret
//	byte    number of addresses, 1 to 8, then each:
//	    byte  its length, 1 to 255
//	    []    host:port of a main listener
//
// Nothing may follow. An invite that needs more is of another version.
const inviteVersion = 1

// An Invite is all that a node needs to enter a room: one string, "bodkin1...". Whoever
// has it is let in and can invite others. The zero Invite is not valid.
type Invite struct {
	// Servers are the main listeners of the rendezvous server, host:port with a host name, an IPv4 or a
	// bracketed IPv6 address. They are ways to one server; the order is the server's preference.
	Servers []string
	Server  ServerID // the key that answers there, whatever the address
	Room    Room
}

// ParseInvite reads an invite as people paste it: in any case, wrapped, indented, with
// "invite:" before it. Its errors are of type [*TextError]; errors.Is finds ErrInviteChecksum in
// those about a mistyped invite, and ErrWrongKind, ErrInviteVersion or ErrInviteContent in others.
func ParseInvite(text string) (Invite, error) {
	data, err := parse(invitePrefix, text)
	if err != nil {
		return Invite{}, err
	}
	if len(data) > 0 && data[0] != inviteVersion {
		return Invite{}, &TextError{"invite", 0, fmt.Sprintf("version %d is not known here; a newer Bodkin reads it", data[0]), ErrInviteVersion}
	}
	inv, err := decodeInvite(data)
	if err == nil {
		err = inv.Check()
	}
	if err != nil {
		return Invite{}, &TextError{"invite", 0, err.Error(), ErrInviteContent}
	}
	return inv, nil
}

func decodeInvite(data []byte) (Invite, error) {
	const fixed = 1 + len(ServerID{}) + SecretSize + 1
	if len(data) < fixed {
		return Invite{}, fmt.Errorf("%d bytes are too few", len(data))
	}
	inv := Invite{Server: ServerID(data[1:33])}
	inv.Room = RoomFromSecret([SecretSize]byte(data[33:49]))
	count, rest := int(data[fixed-1]), data[fixed:]
	for range count {
		if len(rest) == 0 || len(rest)-1 < int(rest[0]) {
			return Invite{}, fmt.Errorf("an address is cut short")
		}
		n := 1 + int(rest[0])
		inv.Servers = append(inv.Servers, string(rest[1:n]))
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return Invite{}, fmt.Errorf("%d bytes too many", len(rest))
	}
	return inv, nil
}

// Check tells whether the invite can be given away: that it names a server, a room and one to eight addresses,
// each with a host and a port, and that its text is short enough for the checksum to keep its promises.
func (inv Invite) Check() error {
	switch {
	case inv.Server.IsZero():
		return fmt.Errorf("no server key")
	case inv.Room.signer == nil:
		return fmt.Errorf("no room")
	case len(inv.Servers) == 0:
		return fmt.Errorf("no server address")
	case len(inv.Servers) > MaxServers:
		return fmt.Errorf("%d server addresses are more than %d", len(inv.Servers), MaxServers)
	}
	for _, addr := range inv.Servers {
		if err := CheckServerAddr(addr); err != nil {
			return fmt.Errorf("server address %q: %w", addr, err)
		}
	}
	if n := 2*len(invitePrefix) + 1 + (8*len(inv.data())+4)/5 + checksumLen; n > maxSymbols {
		return fmt.Errorf("server addresses are too long altogether: use fewer")
	}
	return nil
}

// CheckServerAddr accepts one address of Invite.Servers: what can be dialled, and nothing that could upset a terminal or a log.
func CheckServerAddr(addr string) error {
	if len(addr) > MaxServerAddr {
		return fmt.Errorf("longer than %d bytes", MaxServerAddr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("not of the form host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
		return fmt.Errorf("port must be a number from 1 to 65535")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" {
			return fmt.Errorf("nobody else can reach that address")
		}
		return nil
	}
	if strings.Contains(addr, "[") || !isHostname(host) {
		return fmt.Errorf("neither an IP address nor a host name")
	}
	return nil
}

// isHostname accepts names in the preferred syntax of RFC 1123, section 2.1, with underscores and
// a final dot allowed, which occur. A last label of digits would be a mistyped IPv4 address.
func isHostname(host string) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return strings.Trim(last, "0123456789") != ""
}

// data returns the bytes of the text form. The invite must be valid but for its total length.
func (inv Invite) data() []byte {
	data := []byte{inviteVersion}
	data = append(data, inv.Server[:]...)
	data = append(data, inv.Room.secret[:]...)
	data = append(data, byte(len(inv.Servers)))
	for _, addr := range inv.Servers {
		data = append(data, byte(len(addr)))
		data = append(data, addr...)
	}
	return data
}

// MarshalText returns the text form, or the error of [Invite.Check].
func (inv Invite) MarshalText() ([]byte, error) {
	if err := inv.Check(); err != nil {
		return nil, &TextError{"invite", 0, err.Error(), ErrInviteContent}
	}
	return []byte(encode(invitePrefix, inv.data())), nil
}

// String returns the text form: the secret itself, to be shown to who may enter. Of an
// invite that fails [Invite.Check] it returns the reason in brackets.
func (inv Invite) String() string {
	text, err := inv.MarshalText()
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return string(text)
}

// LogValue names the server and the room, without the secret.
func (inv Invite) LogValue() slog.Value {
	return slog.GroupValue(slog.String("server", inv.Server.String()), slog.String("room", inv.Room.String()),
		slog.Any("addresses", inv.Servers))
}

// UnmarshalText is [ParseInvite].
func (inv *Invite) UnmarshalText(text []byte) (err error) {
	*inv, err = ParseInvite(string(text))
	return err
}
