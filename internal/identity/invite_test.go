package identity

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestInvitesSurviveHowPeoplePasteThem(t *testing.T) {
	inv := sampleInvite()
	text := inv.String()
	for name, pasted := range map[string]string{
		"as it is":          text,
		"upper case":        strings.ToUpper(text),
		"capital at start":  "B" + text[1:],
		"server's line":     "invite:  " + text + "\n",
		"wrapped, CRLF":     text[:50] + "\r\n" + text[50:100] + "\r\n" + text[100:],
		"quoted, indented":  "   " + text[:70] + "\n   " + text[70:],
		"no-break space":    text[:9] + "\u00a0" + text[9:],
		"zero-width joiner": text[:9] + "\u200b" + text[9:],
		"byte order mark":   "\ufeff" + text,
		"soft hyphen":       text[:30] + "\u00ad\n" + text[30:],
	} {
		got, err := ParseInvite(pasted)
		if err != nil || got.Server != inv.Server || got.Room.ID() != inv.Room.ID() || !slices.Equal(got.Servers, inv.Servers) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		if got.String() != text {
			t.Errorf("%s: prints as %s", name, got)
		}
	}
}

func TestInviteAddressesAreChecked(t *testing.T) {
	tests := []struct {
		addr string
		ok   bool
	}{
		{"192.0.2.1:4000", true},
		{"[2001:db8::1]:4000", true},
		{"127.0.0.1:1", true}, // demos and tests
		{"localhost:65535", true},
		{"a.example.org.:4000", true},
		{"my_host:4000", true},
		{"xn--bcher-kva.example:4000", true},
		{"3com.example:4000", true},
		{"", false},
		{"example.org", false},
		{":4000", false},
		{"example.org:", false},
		{"example.org:0", false},
		{"example.org:65536", false},
		{"example.org:+1", false},
		{"example.org:http", false},
		{"2001:db8::1:4000", false},
		{"[2001:db8::1%eth0]:4000", false},
		{"[example.org]:4000", false},
		{"0.0.0.0:4000", false},
		{"[::]:4000", false},
		{"224.0.0.1:4000", false},
		{"192.0.2:4000", false},
		{"192.0.2.1.:4000", false},
		{"192.0.2.256:4000", false},
		{"exa mple.org:4000", false},
		{"exämple.org:4000", false},
		{"evil\x1b[2J:4000", false},
		{"-a.example.org:4000", false},
		{"a..example.org:4000", false},
		{strings.Repeat("a", 64) + ".org:4000", false},
		{strings.Repeat("a.", 125) + "org:4000", false},
	}
	for _, tt := range tests {
		inv := sampleInvite()
		inv.Servers = []string{tt.addr}
		if err := inv.Check(); (err == nil) != tt.ok {
			t.Errorf("Check of %q: got %v, want ok %v", tt.addr, err, tt.ok)
		}
		if len(tt.addr) > MaxServerAddr {
			continue
		}
		if _, err := ParseInvite(encode(invitePrefix, inv.data())); (err == nil) != tt.ok || !tt.ok && !errors.Is(err, ErrInviteContent) {
			t.Errorf("ParseInvite with %q: got %v, want ok %v", tt.addr, err, tt.ok)
		}
	}
}

func TestInvitesThatCannotBePrintedSaySo(t *testing.T) {
	long := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".org:4000"
	for name, change := range map[string]func(*Invite){
		"no server key":              func(inv *Invite) { inv.Server = ServerID{} },
		"no room":                    func(inv *Invite) { inv.Room = Room{} },
		"no server address":          func(inv *Invite) { inv.Servers = nil },
		"9 server addresses":         func(inv *Invite) { inv.Servers = slices.Repeat([]string{"a:1"}, 9) },
		"too long altogether":        func(inv *Invite) { inv.Servers = slices.Repeat([]string{long}, 8) },
		`server address "a"`:         func(inv *Invite) { inv.Servers = []string{"a"} },
		`server address "b:1"`:       func(inv *Invite) { inv.Servers = []string{"a:1", "b:1" + strings.Repeat("1", 255)} },
		"longer than 255 bytes":      func(inv *Invite) { inv.Servers = []string{strings.Repeat("1", 256)} },
		"(invite: no server address": func(inv *Invite) { inv.Servers = []string{} },
	} {
		inv := sampleInvite()
		change(&inv)
		text, err := inv.MarshalText()
		if !errors.Is(err, ErrInviteContent) || text != nil {
			t.Errorf("%s: got %s, %v", name, text, err)
		}
		if name[0] != '`' && !strings.Contains(inv.String(), strings.TrimSuffix(name, `"b:1"`)) {
			t.Errorf("%s: prints as %s", name, inv)
		}
	}
}

func TestEightAddressesFit(t *testing.T) {
	inv := sampleInvite()
	inv.Servers = nil
	for i := range MaxServers {
		inv.Servers = append(inv.Servers, fmt.Sprintf("rendezvous-%d.europe-west.bodkin.example.com:4000", i))
	}
	if got, err := ParseInvite(inv.String()); err != nil || !slices.Equal(got.Servers, inv.Servers) {
		t.Errorf("got %v, %v", got.Servers, err)
	}
}

func TestDamagedContentsAreRefused(t *testing.T) {
	good := sampleInvite().data()
	fixed := 1 + 32 + SecretSize + 1
	for name, data := range map[string][]byte{
		"nothing":              {},
		"version alone":        {inviteVersion},
		"cut before the count": good[:fixed-1],
		"no addresses":         append(bytes.Clone(good[:fixed-1]), 0),
		"cut in an address":    good[:len(good)-1],
		"one byte more":        append(bytes.Clone(good), 0),
		"more addresses":       append(append(bytes.Clone(good[:fixed-1]), 200), good[fixed:]...),
		"no server key":        append(append([]byte{inviteVersion}, make([]byte, 32)...), good[33:]...),
	} {
		if _, err := ParseInvite(encode(invitePrefix, data)); !errors.Is(err, ErrInviteContent) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	newer := append([]byte{2}, "something that is not known yet"...)
	if _, err := ParseInvite(encode(invitePrefix, newer)); !errors.Is(err, ErrInviteVersion) {
		t.Errorf("version 2: got %v", err)
	}
}

func TestInvitesInLogsKeepTheSecret(t *testing.T) {
	var log bytes.Buffer
	inv := sampleInvite()
	slog.New(slog.NewTextHandler(&log, nil)).Info("joined", "invite", inv, "room", inv.Room)
	if strings.Contains(log.String(), "bodkin1") || !strings.Contains(log.String(), inv.Room.ID().String()) {
		t.Errorf("log says %s", &log)
	}
}

func FuzzParseInvite(f *testing.F) {
	inv := sampleInvite()
	f.Add(inv.String())
	f.Add("invite: " + strings.ToUpper(inv.String()))
	f.Add("bodkin1")
	f.Add("bodkinl" + inv.String()[7:])
	f.Add(encode(invitePrefix, []byte{inviteVersion}))
	f.Add(encode(invitePrefix, []byte{2}))
	f.Add(NodeID{}.String())
	f.Fuzz(func(t *testing.T, text string) {
		checkInvite(t, text)
	})
}

// FuzzInviteContent gets behind the checksum.
func FuzzInviteContent(f *testing.F) {
	f.Add(sampleInvite().data())
	f.Add([]byte{inviteVersion})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, data []byte) {
		checkInvite(t, encode(invitePrefix, data))
	})
}

// checkInvite requires that text is refused with a TextError or printed again as the same invite.
func checkInvite(t *testing.T, text string) {
	inv, err := ParseInvite(text)
	if err != nil {
		if _, ok := errors.AsType[*TextError](err); !ok {
			t.Errorf("error %v is no TextError", err)
		}
		return
	}
	if got, err := inv.MarshalText(); err != nil || string(got) != clean(text) {
		t.Errorf("%q prints as %q, %v", text, got, err)
	}
}
