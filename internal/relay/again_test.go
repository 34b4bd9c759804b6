package relay

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
)

func TestAConnectionThatIsCutBeforeAnAnswerIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, box := net.Pipe()
		second, server := net.Pipe()
		a := newAgain(near, func() (net.Conn, error) { return second, nil })
		go func() {
			io.ReadFull(box, make([]byte, 10))
			box.Close() // and not a word
		}()
		said := make(chan string, 1)
		go func() {
			b := make([]byte, 10)
			n, _ := io.ReadFull(server, b)
			said <- string(b[:n])
			server.Write([]byte("answer"))
			server.Close()
		}()
		for _, word := range []string{"hello", "again"} {
			if n, err := a.Write([]byte(word)); n != len(word) || err != nil {
				t.Fatalf("write %q: %d, %v", word, n, err)
			}
		}
		got, err := io.ReadAll(a)
		if string(got) != "answer" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if all := <-said; all != "helloagain" {
			t.Errorf("said again: %q", all)
		}
	})
}

// TestTheSocketUnderARelayedConnectionShows: options that bound what its kernel keeps, and how long, would reach none otherwise, and
// nobody would count its packets.
//
// Seen to fail: without NetConn.
func TestTheSocketUnderARelayedConnectionShows(t *testing.T) {
	near, far := net.Pipe()
	second, server := net.Pipe()
	go io.Copy(io.Discard, server)
	a := newAgain(near, func() (net.Conn, error) { return second, nil })
	under := func() net.Conn {
		layer, ok := net.Conn(a).(interface{ NetConn() net.Conn })
		if !ok {
			t.Fatal("the connection hides what is under it")
		}
		return layer.NetConn()
	}
	if under() != near {
		t.Error("another is under it than the first")
	}
	far.Close()
	if _, err := a.replace(); err != nil || under() != second {
		t.Errorf("another is under it than the second, %v", err)
	}
}

func TestAConnectionIsNotMadeAgain(t *testing.T) {
	for name, test := range map[string]func(a *again, far net.Conn){
		"after an answer": func(a *again, far net.Conn) {
			go func() { far.Write([]byte("x")); far.Close() }()
			io.ReadAll(a)
		},
		"when it is closed here": func(a *again, far net.Conn) {
			a.Close()
			a.Read(make([]byte, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				again := false
				a := newAgain(near, func() (net.Conn, error) { again = true; return nil, errors.New("no") })
				test(a, far)
				if again {
					t.Error("made again")
				}
			})
		})
	}
}
