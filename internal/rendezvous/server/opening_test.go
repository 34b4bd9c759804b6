package server

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/bodkin-p2p/bodkin/internal/identity"
)

func TestTheFirstRecordTellsWhatAConnectionIsFor(t *testing.T) {
	key, err := identity.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	room, err := identity.NewRoom()
	if err != nil {
		t.Fatal(err)
	}
	server := key.ServerID()
	main, err := identity.NodeConfig(key, room, server, nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := identity.RelayConfig(key, room, server)
	if err != nil {
		t.Fatal(err)
	}
	say := func(text string) func(net.Conn) { return func(c net.Conn) { c.Write([]byte(text)); c.Close() } }
	for name, row := range map[string]struct {
		speak            func(net.Conn)
		relayed, wrapped bool
		fails            bool
	}{
		"main connection":        {speak: func(c net.Conn) { tls.Client(c, main).Handshake() }},
		"relayed inside of TLS":  {speak: func(c net.Conn) { tls.Client(c, wrapped).Handshake() }, wrapped: true},
		"relayed":                {speak: say("bdkn"), relayed: true},
		"silence":                {speak: say(""), fails: true},
		"half a record":          {speak: say("\x16\x03\x01\x01\x00half"), fails: true},
		"half a header":          {speak: say("\x16\x03"), fails: true},
		"a record that is huge":  {speak: say("\x16\x03\x01\xff\xff"), fails: true},
		"a record that is empty": {speak: say("\x16\x03\x01\x00\x00")},
		"something else":         {speak: say("GET / HTTP/1.1")},
	} {
		near, far := net.Pipe()
		ended := make(chan struct{})
		go func() { row.speak(far); close(ended) }()
		s := &Server{}
		s.limits = s.limits.withDefaults()
		o, err := s.open(t.Context(), near)
		if (err != nil) != row.fails {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (o.isRelayed() != row.relayed || o.isWrapped() != row.wrapped) {
			t.Errorf("%s: relayed %v, wrapped %v", name, o.isRelayed(), o.isWrapped())
		}
		near.Close()
		<-ended
	}
}

// TestAnOpeningIsReadAndWrittenAtOnce is for the race detector: relayed bytes that are wrapped in TLS flow both ways through it.
func TestAnOpeningIsReadAndWrittenAtOnce(t *testing.T) {
	near, far := net.Pipe()
	o := &opening{Conn: near}
	var flows sync.WaitGroup
	message := make([]byte, 100)
	for _, flow := range []func() error{
		func() error { _, err := o.Write(message); return err },
		func() error { _, err := io.ReadFull(o, make([]byte, 100)); return err },
		func() error { _, err := far.Write(message); return err },
		func() error { _, err := io.ReadFull(far, make([]byte, 100)); return err },
	} {
		flows.Go(func() {
			for range 100 {
				if err := flow(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	flows.Wait()
	near.Close()
	far.Close()
}
