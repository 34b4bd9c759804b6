package main

import (
	"errors"
	"io"
	"net"
	"reflect"
	"testing"
	"testing/synctest"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/forward"
	"github.com/bodkin-p2p/bodkin/internal/control"
	"github.com/bodkin-p2p/bodkin/internal/settings"
)

func TestForwardingsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]forwarding{
		"8080:ben:web":         {bind: "127.0.0.1:8080", peer: "ben", service: "web"},
		"0:ben:web":            {bind: "127.0.0.1:0", peer: "ben", service: "web"},
		"0.0.0.0:8080:ben:web": {bind: "0.0.0.0:8080", peer: "ben", service: "web"},
		"lan:8080:ben:web":     {bind: "lan:8080", peer: "ben", service: "web"},
		"[::1]:8080:ben:web":   {bind: "[::1]:8080", peer: "ben", service: "web"},
		"[::]:8080:ben:web":    {bind: "[::]:8080", peer: "ben", service: "web"},
	} {
		if got, err := parseForwarding(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "8080", "8080:ben", "ben:web:8080", "99999:ben:web", "a:b:8080:ben:web", "[::1:8080:ben:web", "[::1]:x:8080:ben:web", "8080::web", "8080:ben:"} {
		if got, err := parseForwarding(text); err == nil {
			t.Errorf("%q became %+v", text, got)
		}
	}
}

func TestServicesAreReadWithWhoMayUseThem(t *testing.T) {
	id := testKey(t).NodeID().String()
	p, err := planOf(upFlags{expose: []string{"ssh=localhost:22", "web=localhost:80"}, socks: []string{"*:443", "10.0.0.0/8:22"},
		allow: []string{"ssh=ada," + id, "socks=eve", "ssh=zoe"}}, &settings.File{})
	if err != nil || len(p.services) != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	socks, ssh, web := p.services[0], p.services[1], p.services[2] // by name
	if !reflect.DeepEqual(ssh.allow, []string{"ada", id, "zoe"}) || web.allow != nil || len(socks.socks) != 2 || socks.service != socksService {
		t.Errorf("%+v", p)
	}
	for name, flags := range map[string]upFlags{
		"no address":     {expose: []string{"ssh"}},
		"no port":        {expose: []string{"ssh=localhost"}},
		"no destination": {socks: []string{"localhost"}},
		"no peer":        {expose: []string{"ssh=localhost:22"}, allow: []string{"ssh="}},
		"no service":     {expose: []string{"ssh=localhost:22"}, allow: []string{"ada"}},
		"other service":  {expose: []string{"ssh=localhost:22"}, allow: []string{"web=ada"}},
		"no name":        {expose: []string{"ssh=localhost:22"}, allow: []string{"ssh=ada,_"}},
		"one name twice": {expose: []string{"ssh=localhost:22", "ssh=localhost:23"}},
		"one port twice": {forward: []string{"8080:ben:web", "8080:ben:ssh"}},
		"no directory":   {receive: "/nowhere/at/all"},
	} {
		if p, err := planOf(flags, &settings.File{}); err == nil {
			t.Errorf("%s: became %+v", name, p)
		}
	}
}

// TestARefusedForwardIsToldWhateverNoticesIt refuses a stream to one of the things that a forward does with it.
//
// Seen to fail: a refusal that only writing noticed was told to nobody, and neither was a failure that said "closed", which was taken for
// our own Close.
func TestARefusedForwardIsToldWhateverNoticesIt(t *testing.T) {
	refused := errors.New("it is not for this peer")
	for name, test := range map[string]struct {
		stream refusedStream
		local  string // what the local connection says before its end
		want   []error
	}{
		"reading":          {refusedStream{read: refused}, "", []error{refused}},
		"writing":          {refusedStream{write: refused}, "GET /", []error{refused}},
		"the end of input": {refusedStream{closeWrite: refused}, "", []error{refused}},
		"both":             {refusedStream{read: refused, write: errors.New("nobody takes it")}, "GET /", []error{refused}},
		"closed there":     {refusedStream{read: net.ErrClosed}, "", []error{net.ErrClosed}},
		"nothing":          {refusedStream{read: io.EOF}, "GET /", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				test.stream.closed = make(chan struct{})
				var told []error
				done := make(chan struct{})
				go func() {
					defer close(done)
					forward.Splice(near, &complaining{Stream: test.stream, tell: func(err error) { told = append(told, err) }})
				}()
				if test.local != "" {
					far.Write([]byte(test.local))
				}
				far.Close()
				<-done
				if !reflect.DeepEqual(told, test.want) {
					t.Errorf("told %v, want %v", told, test.want)
				}
			})
		})
	}
}

// A refusedStream fails as it says. A Read that is not to fail waits for the end of the stream.
type refusedStream struct {
	control.Stream
	read, write, closeWrite error
	closed                  chan struct{}
}

func (s refusedStream) Read([]byte) (int, error) {
	if s.read != nil {
		return 0, s.read
	}
	<-s.closed
	return 0, net.ErrClosed
}

func (s refusedStream) Write(p []byte) (int, error) {
	if s.write != nil {
		return 0, s.write
	}
	return len(p), nil
}

func (s refusedStream) CloseWrite() error { return s.closeWrite }

// Abort comes first where there is one, and Close after it.
func (s refusedStream) Abort() error {
	close(s.closed)
	return nil
}

func (s refusedStream) Close() error { return nil }

func testKey(t *testing.T) bodkin.Key {
	t.Helper()
	key, err := bodkin.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
