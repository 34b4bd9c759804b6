package portmap

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func TestSSDPAnswersLeadToTheGatewayOnly(t *testing.T) {
	gateway := netip.MustParseAddr("192.168.1.1")
	answer := "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: upnp:rootdevice\r\nLOCATION: %s\r\n\r\n"
	if at, err := parseSSDP(fmt.Appendf(nil, answer, "http://192.168.1.1:5000/rootDesc.xml"), gateway); err != nil || at.Path != "/rootDesc.xml" {
		t.Errorf("got %v, %v", at, err)
	}
	for _, location := range []string{
		"", "http://192.168.1.2:5000/", "http://router.lan/", "https://192.168.1.1/", "file:///etc/passwd",
		"http://192.168.1.1@192.168.1.2/", "http://user@192.168.1.1/", "http://169.254.169.254/latest/meta-data", "//192.168.1.1/", "http://[::1]/",
	} {
		if at, err := parseSSDP(fmt.Appendf(nil, answer, location), gateway); !errors.Is(err, errMalformed) {
			t.Errorf("%q: got %v, %v, want errMalformed", location, at, err)
		}
	}
	for _, packet := range []string{"", "NOTIFY * HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\nLOCATION: http://192.168.1.1/\r\n\r\n"} {
		if at, err := parseSSDP([]byte(packet), gateway); err == nil {
			t.Errorf("%q: got %v", packet, at)
		}
	}
}

func FuzzSSDPAnswersLeadToTheGatewayOnly(f *testing.F) {
	gateway := netip.MustParseAddr("192.168.1.1")
	f.Add([]byte("HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nLOCATION: http://192.168.1.1/\r\n\r\n5\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, err := parseSSDP(b, gateway); err == nil && at.Hostname() != gateway.String() {
			t.Errorf("%q leads to %v", b, at)
		}
	})
}

func FuzzDescriptions(f *testing.F) {
	f.Add(description("/ctl"))
	f.Add("<root><URLBase>http://192.168.1.1</URLBase><device><deviceList><device></device></deviceList></device></root>")
	at, _ := url.Parse("http://192.168.1.1/rootDesc.xml")
	f.Fuzz(func(t *testing.T, text string) {
		root, err := parseDescription(strings.NewReader(text), at)
		if err == nil && len(wanConnections(root, at, http.Client{})) > maxConnections {
			t.Error("more connections than are looked at")
		}
	})
}

// description is that of a gateway whose service is controlled at a place.
func description(control string) string {
	return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>` + control + `</controlURL>
</service></serviceList></device></root>`
}

// A fakeGateway is a UPnP gateway on loopback.
type fakeGateway struct {
	*httptest.Server
	control  string // place of the service's control; empty: here
	answers  map[string]func(lease string) string
	requests atomic.Int32
}

const fault = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>
<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`

func ok(action, inside string) string {
	return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:` + action + `Response xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">` +
		inside + `</u:` + action + `Response></s:Body></s:Envelope>`
}

func newFakeGateway(t *testing.T, answers map[string]func(string) string) *fakeGateway {
	g := &fakeGateway{answers: answers}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.requests.Add(1)
		if r.Method == http.MethodGet {
			control := g.control
			if control == "" {
				control = g.URL + "/ctl"
			}
			fmt.Fprint(w, description(control))
			return
		}
		var body strings.Builder
		buffer := make([]byte, 4096)
		for n, err := 1, error(nil); n > 0 && err == nil; {
			n, err = r.Body.Read(buffer)
			body.Write(buffer[:n])
		}
		_, action, _ := strings.Cut(strings.Trim(r.Header.Get("SOAPACTION"), `"`), "#")
		answer := g.answers[action](body.String())
		if strings.Contains(answer, "Fault") {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(g.Close)
	return g
}

// client is a client that has found the gateway.
func (g *fakeGateway) client(t *testing.T) *upnpClient {
	t.Helper()
	l := link{loopback, func(open func() error) error { return open() }}
	at, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	root, err := l.describe(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	all := wanConnections(root, at, l.httpClient())
	if len(all) != 1 {
		t.Fatalf("%d connections in the description, want 1", len(all))
	}
	return &upnpClient{link: l, port: 40000, wan: all[0], local: loopback, addr: netip.MustParseAddr("203.0.113.7")}
}

func TestAGatewayThatOnlyMapsForEverIsTakenAtItsWord(t *testing.T) {
	g := newFakeGateway(t, map[string]func(string) string{"AddPortMapping": func(body string) string {
		if !strings.Contains(body, "<NewLeaseDuration>0<") {
			return fmt.Sprintf(fault, upnpOnlyPermanentLease)
		}
		return ok("AddPortMapping", "")
	}})
	m, err := g.client(t).mapPort(t.Context(), time.Hour)
	if err != nil || m.Lifetime != 0 || m.External.String() != "203.0.113.7:40000" {
		t.Errorf("got %+v, %v, want a mapping without an end", m, err)
	}
}

func TestATakenPortLeadsToAnother(t *testing.T) {
	g := newFakeGateway(t, map[string]func(string) string{"AddPortMapping": func(body string) string {
		if strings.Contains(body, "<NewExternalPort>40000<") {
			return fmt.Sprintf(fault, upnpConflict)
		}
		return ok("AddPortMapping", "")
	}})
	m, err := g.client(t).mapPort(t.Context(), time.Hour)
	if err != nil || m.External.Port() == 40000 || m.External.Port() < 20000 {
		t.Errorf("got %+v, %v, want another port", m, err)
	}
}

func TestRefusalsByUPnPAreNamed(t *testing.T) {
	g := newFakeGateway(t, map[string]func(string) string{"AddPortMapping": func(string) string { return fmt.Sprintf(fault, upnpNotAuthorized) }})
	_, err := g.client(t).mapPort(t.Context(), time.Hour)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Code != upnpNotAuthorized || refused.Text != "not authorized" {
		t.Errorf("got %v, want a refusal: not authorized", err)
	}
	g = newFakeGateway(t, map[string]func(string) string{"AddPortMapping": func(string) string { return fmt.Sprintf(fault, upnpConflict) }})
	if _, err := g.client(t).mapPort(t.Context(), time.Hour); err == nil || g.requests.Load() != 1+upnpTries {
		t.Errorf("where every port is taken: %v after %d requests, want %d", err, g.requests.Load()-1, upnpTries)
	}
}

// TestNoDescriptionLeadsAwayFromTheGateway is about requests that a hostile device would have this machine make.
func TestNoDescriptionLeadsAwayFromTheGateway(t *testing.T) {
	var visited atomic.Int32
	victim := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Add(1) }))
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("no second loopback address here: %v", err)
	}
	victim.Listener = listener
	victim.Start()
	defer victim.Close()

	g := newFakeGateway(t, nil)
	g.control = victim.URL + "/delete-everything"
	if _, err := g.client(t).mapPort(t.Context(), time.Hour); err == nil {
		t.Error("a control URL elsewhere was used")
	}
	redirecting := httptest.NewServer(http.RedirectHandler(victim.URL, http.StatusFound))
	defer redirecting.Close()
	l := link{loopback, func(open func() error) error { return open() }}
	at, _ := url.Parse(redirecting.URL)
	if _, err := l.describe(t.Context(), at); err == nil {
		t.Error("a redirection was followed")
	}
	if n := visited.Load(); n > 0 {
		t.Errorf("the victim was visited %d times", n)
	}
}

func TestAnEndlessDescriptionIsCutOff(t *testing.T) {
	var sent atomic.Int64
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<root><device><friendlyName>")
		for r.Context().Err() == nil {
			n, err := fmt.Fprint(w, strings.Repeat("a", 4096))
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	}))
	defer endless.Close()
	l := link{loopback, func(open func() error) error { return open() }}
	at, _ := url.Parse(endless.URL)
	if _, err := l.describe(t.Context(), at); err == nil {
		t.Error("an endless description was read")
	}
	if sent.Load() > 64<<20 { // what was sent beyond maxBody is in the sockets' buffers
		t.Errorf("%d bytes were taken", sent.Load())
	}
}
