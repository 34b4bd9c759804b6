package main

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestASTUNServerTellsWhereARequestCameFromAndItsOtherAddress(t *testing.T) {
	from, other := netip.MustParseAddrPort("198.51.100.7:40000"), netip.MustParseAddrPort("203.0.113.12:3479")
	request := binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0}, stunCookie)
	request = append(request, "transaction!"...)
	reply := bindingResponse(request, from, other)
	want := append([]byte{1, 1, 0, 24}, request[4:]...)
	want = append(want, 0, 0x20, 0, 8, 0, 1, 0x9c^0x21, 0x40^0x12, 198^0x21, 51^0x12, 100^0xa4, 7^0x42)
	want = append(want, 0x80, 0x2c, 0, 8, 0, 1, 0x0d, 0x97, 203, 0, 113, 12)
	if string(reply) != string(want) {
		t.Errorf("got  %x\nwant %x", reply, want)
	}
	for _, bad := range [][]byte{nil, request[:19], append([]byte{1, 1}, request[2:]...), make([]byte, 20)} {
		if bindingResponse(bad, from, other) != nil {
			t.Errorf("%x is answered", bad)
		}
	}
}

func TestASummarySaysWhichWayBytesWentAndHowSoon(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	direct := outcome{worked: true, isFirstDirect: true, isDirect: true, first: ms(200), later: ms(50)}
	moved := outcome{worked: true, isDirect: true, first: ms(600), later: ms(100), direct: ms(2500)}
	relayed := outcome{worked: true, first: ms(700), later: ms(110)}
	for _, test := range []struct {
		all  []outcome
		want string
	}{
		{[]outcome{direct, direct}, "direct 200, 50"},
		{[]outcome{moved}, "relayed, then direct 600, 100 (direct after 2.5 s)"},
		{[]outcome{direct, relayed, {}}, "direct 1/3 200, 50; relayed 1/3 700, 110; nothing 1/3"},
		{[]outcome{{}}, "nothing"},
	} {
		if got := summary(test.all); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestWhatAFaultDidIsCountedByKind(t *testing.T) {
	on := broken{pause: 90 * time.Millisecond, again: 600 * time.Millisecond}
	over := broken{ended: 30 * time.Second, again: 33 * time.Second}
	for _, test := range []struct {
		all  []broken
		want string
	}{
		{[]broken{on, on}, "goes on after 0.09 s"},
		{[]broken{{pause: time.Second, again: -1}}, "goes on after 1.00 s, a new one after never"},
		{[]broken{over, on}, "goes on after 0.09 s (1/2); ends after 30.00 s, a new one after 33.00 s (1/2)"},
		{[]broken{{stuck: true, again: -1}}, "stands still for 1m15s, a new one after never"},
		{[]broken{{nothing: true}}, "–"},
	} {
		if got := brokenSummary(test.all); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestNumbersTellWhenOneComesThatWasSentAfterTheFault(t *testing.T) {
	near, far := net.Pipe()
	go io.Copy(far, far)
	defer far.Close()
	n := count(near)
	defer n.stop()
	for n.sent.Load() < 3 {
		<-time.After(every)
	}
	n.held.Store(true)
	select {
	case <-n.cameAgain:
		t.Fatal("a number that was sent before the fault counts")
	case <-time.After(3 * every):
	}
	n.resume()
	select {
	case <-n.cameAgain:
	case <-time.After(10 * time.Second):
		t.Fatal("no number came")
	}
	far.Close()
	select {
	case <-n.over:
	case <-time.After(10 * time.Second):
		t.Fatal("the end of the connection was not seen")
	}
}

func TestOnlyWhatIsWantedIsBuilt(t *testing.T) {
	for _, test := range []struct{ only, want string }{{"bodkin", "bodkin"}, {"quic,bodkin", "bodkin frp"}, {"", "bodkin frp tailscale"}} {
		var names []string
		for _, m := range makersOf(contestants(test.only)) {
			names = append(names, m.name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%q: %q, want %q", test.only, got, test.want)
		}
	}
}

func TestWordsChooseNames(t *testing.T) {
	for _, test := range []struct {
		name, words string
		want        bool
	}{{"frp quic", "", true}, {"frp quic", "bodkin,quic", true}, {"frp quic", "bodkin", false}} {
		if got := wanted(test.name, test.words); got != test.want {
			t.Errorf("%q, %q: %v", test.name, test.words, got)
		}
	}
	if !strings.Contains(frpCommon, stunAddr) {
		t.Error("frp is given no STUN server")
	}
}
