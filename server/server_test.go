package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

func open(t *testing.T, home string) *Server {
	t.Helper()
	s, err := Open(Config{Home: home, Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestASecondStartKeepsKeyAndRoom(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	first, err := s.Invite(DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	second, err := open(t, home).Invite(DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	if first.Server != second.Server || first.Room.ID() != second.Room.ID() {
		t.Errorf("first %v of %v, second %v of %v", first.Room, first.Server, second.Room, second.Server)
	}
}

func TestAHomeIsForOneServerAtATime(t *testing.T) {
	home := t.TempDir()
	config := Config{Home: home, Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}}
	refused := func(when string) {
		t.Helper()
		advertised, err := readAdvertised(home)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := Open(config); !errors.Is(err, ErrHomeInUse) {
			t.Errorf("%s: a second server got %v, want ErrHomeInUse", when, err)
			if s != nil {
				s.Close()
			}
		}
		if now, err := readAdvertised(home); err != nil || !slices.Equal(now, advertised) {
			t.Errorf("%s: a second server made invites name %v (%v), want %v", when, now, err, advertised)
		}
	}
	s := open(t, home)
	refused("opened")
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	response, err := http.Get("http://" + s.HTTPAddr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	s.Close() // does nothing to one that serves
	refused("serving")
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}

	taken := open(t, home) // Serve has released it
	config.Main = []string{taken.MainAddrs()[0].String()}
	other := config
	other.Home = t.TempDir()
	for range 2 { // an Open that fails leaves its home unlocked
		if _, err := Open(other); err == nil || errors.Is(err, ErrHomeInUse) {
			t.Errorf("on a port in use: %v", err)
		}
	}
	taken.Close()
	taken.Close()
	if err := taken.Serve(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve after Close: %v, want net.ErrClosed", err)
	}
}

func TestParallelMakersOfARoomGetTheSameRoom(t *testing.T) {
	for range 20 {
		r := &rooms{folder: filepath.Join(t.TempDir(), roomsFolder)}
		const makers = 8
		ids := make(chan identity.RoomID, makers)
		for range makers {
			go func() {
				room, err := r.open("guests")
				if err != nil {
					t.Error(err)
				}
				ids <- room.ID()
			}()
		}
		made := <-ids
		for range makers - 1 {
			if id := <-ids; id != made {
				t.Fatalf("rooms %v and %v under one name", made, id)
			}
		}
	}
}

func TestARunningServerTakesUpANewRoom(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	invite, err := Invite(home, "guests")
	if err != nil {
		t.Fatal(err)
	}
	s.rooms.read = time.Time{} // as if the last look at the folder were long ago
	if !s.rooms.served(invite.Room.ID()) {
		t.Error("the room that was just made is not served")
	}
	again, err := s.Invite("guests")
	if err != nil || again.Room.ID() != invite.Room.ID() || !slices.Equal(again.Servers, invite.Servers) || again.Server != invite.Server {
		t.Errorf("got %v (%v), want %v", again, err, invite)
	}
}

func invited(t *testing.T, home, room string) identity.Invite {
	t.Helper()
	invite, err := Invite(home, room)
	if err != nil {
		t.Fatal(err)
	}
	return invite
}

func TestARenewedInviteVoidsTheOneBefore(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	if _, err := RenewInvite(home, "guests"); !errors.Is(err, ErrNoRoom) {
		t.Errorf("of a room that is not there: %v, want ErrNoRoom", err)
	}
	old, family := invited(t, home, DefaultRoom), invited(t, home, "family")
	renewed, err := RenewInvite(home, DefaultRoom)
	if err != nil || renewed.Room.ID() == old.Room.ID() {
		t.Fatalf("the room has the secret from before (%v)", err)
	}
	if again := invited(t, home, DefaultRoom); again.Room.ID() != renewed.Room.ID() {
		t.Error("the next invite leads elsewhere")
	}
	s.rooms.read = time.Time{} // as if the last look at the folder were long ago
	if s.rooms.served(old.Room.ID()) {
		t.Error("the old invite still lets nodes in")
	}
	if !s.rooms.served(renewed.Room.ID()) || !s.rooms.served(family.Room.ID()) {
		t.Error("the new invite, or one to another room, does not")
	}
}

func TestARoomThatCannotBeReadForAMomentIsServedOn(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	family := invited(t, home, "family")
	if err := s.rooms.reread(time.Now()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, roomsFolder, "family")
	if err := os.WriteFile(file, []byte("half of wha"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.rooms.read = time.Time{}
		if !s.rooms.served(family.Room.ID()) {
			t.Error("the room is gone for a file that is damaged")
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.rooms.read = time.Time{}
	if s.rooms.served(family.Room.ID()) {
		t.Error("the room is served on although its file is removed")
	}
}

func TestUnknownRoomsDoNotMakeTheServerReadItsDiskEachTime(t *testing.T) {
	s := open(t, t.TempDir())
	invite, err := Invite(s.config.Home, "late")
	if err != nil {
		t.Fatal(err)
	}
	s.rooms.read = time.Now()
	if s.rooms.served(invite.Room.ID()) {
		t.Error("the folder was read again within a second")
	}
}

func TestAHomeWithoutServerGivesNoInvite(t *testing.T) {
	if _, err := Invite(t.TempDir(), DefaultRoom); !errors.Is(err, ErrNeverStarted) {
		t.Errorf("got %v, want ErrNeverStarted", err)
	}
}

func TestBadRoomNamesAndFilesAreNamed(t *testing.T) {
	home := t.TempDir()
	s := open(t, home)
	for _, name := range []string{"", "Upper", "../escape", "a b", strings.Repeat("a", 64)} {
		if _, err := s.Invite(name); err == nil {
			t.Errorf("room %q was made", name)
		}
	}
	path := filepath.Join(home, roomsFolder, "default")
	if err := os.WriteFile(path, []byte("not hexadecimal"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err := Open(Config{Home: home, Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("damaged room: %v, want an error that names the file", err)
	}
}

func TestAPortInUseIsToldAsOne(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []Config{
		{Main: []string{taken.Addr().String()}, Hole: []string{"127.0.0.1:0"}},
		{Main: []string{"127.0.0.1:0"}, Hole: []string{taken.Addr().String()}},
	} {
		c.Home = t.TempDir()
		_, err := Open(c)
		var op *net.OpError
		if !errors.As(err, &op) || op.Addr.String() != taken.Addr().String() {
			t.Errorf("got %v, want a net.OpError about %v", err, taken.Addr())
		}
	}
}

func TestMetricsAndHealthAnswerWhileServing(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	for path, want := range map[string]string{"/metrics": "bodkin_server_", "/healthz": "ok", "/": "/metrics"} {
		response, err := http.Get("http://" + s.HTTPAddr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v, want %q in %.200s", path, err, want, body)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestInvitesNameWhatTheyWereToldOrWhatIsBound(t *testing.T) {
	s := open(t, t.TempDir())
	main := s.MainAddrs()
	for _, c := range []struct {
		hosts []string
		want  []string
	}{
		{[]string{"example.org"}, []string{"example.org:" + portOf(main[0].String())}},
		{[]string{"example.org:443", "2001:db8::1"}, []string{"example.org:443", "[2001:db8::1]:" + portOf(main[0].String())}},
		{nil, []string{main[0].String()}},
	} {
		got, err := advertised(c.hosts, main)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v (%v), want %v", c.hosts, got, err, c.want)
		}
	}
}

func TestAWildcardIsAdvertisedAsTheAddressesItAnswers(t *testing.T) {
	local := []netip.Addr{netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("2001:db8::5")}
	both := []string{"203.0.113.5:4000", "[2001:db8::5]:4000"}
	for _, c := range []struct {
		main []string
		want []string
	}{
		{[]string{"[::]:4000"}, both},
		{[]string{"0.0.0.0:4000"}, both[:1]},
		{[]string{"0.0.0.0:4000", "[::]:4000"}, both},
		{[]string{"[::]:4000", "[::]:4000"}, both},
		{[]string{"[2001:db8::5]:4000", "[::]:4000"}, []string{both[1], both[0]}},
		{[]string{"[::]:4000", "[::]:443"}, append(both[:2:2], "203.0.113.5:443", "[2001:db8::5]:443")},
	} {
		var main []netip.AddrPort
		for _, addr := range c.main {
			main = append(main, netip.MustParseAddrPort(addr))
		}
		if got := reachable(main, local); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.main, got, c.want)
		}
	}
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
