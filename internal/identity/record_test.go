package identity

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// RFC 8448, section 3: the server's application traffic keys.
func TestTrafficKeysAreThoseOfRFC8448(t *testing.T) {
	secret, _ := hex.DecodeString("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
	var h halfConn
	h.setSecret(secret)
	if got := hex.EncodeToString(h.key[:]); got != "9f02283b6c9c07efc26bb9f2ac92e356" {
		t.Errorf("key: got %s", got)
	}
	if got := hex.EncodeToString(h.iv[:]); got != "cf782b88dd83549aadf1e984" {
		t.Errorf("iv: got %s", got)
	}
}

func TestKeysAreUpdatedWhenTheNodeSaysSo(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	conn, node := pairOf(far)
	var back halfConn
	back.setSecret(bytes.Repeat([]byte{7}, secretSize))

	go func() {
		near.Write(node.seal(recordHandshake, []byte(keyUpdate)))
		node.update()
		near.Write(node.seal(recordData, []byte("one")))
		near.Write(node.seal(recordHandshake, []byte(keyUpdateRequested)))
		node.update()
		answer := readRecord(t, near)
		if kind, content, err := back.open(answer); kind != recordHandshake || string(content) != keyUpdate || err != nil {
			t.Errorf("answer: %d, %q, %v", kind, content, err)
		}
		back.update()
		near.Write(node.seal(recordData, []byte("two")))
	}()
	for _, want := range []string{"one", "two"} {
		got := make([]byte, 3)
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
	go conn.Write([]byte("three"))
	if _, content, err := back.open(readRecord(t, near)); string(content) != "three" || err != nil {
		t.Errorf("with the new key: got %q, %v", content, err)
	}
}

func readRecord(t *testing.T, from io.Reader) []byte {
	t.Helper()
	var r partialRecord
	for !r.isWhole() {
		if err := r.fill(from); err != nil {
			t.Error(err)
			return nil
		}
	}
	return r.body
}

func TestBadRecordsEndReading(t *testing.T) {
	sealed := func(kind recordType, content string) func(*halfConn) []byte {
		return func(h *halfConn) []byte { return h.seal(kind, []byte(content)) }
	}
	raw := func(data string) func(*halfConn) []byte {
		return func(*halfConn) []byte { return []byte(data) }
	}
	changed := func(i int) func(*halfConn) []byte {
		return func(h *halfConn) []byte {
			record := h.seal(recordData, []byte("hello"))
			record[i] ^= 1
			return record
		}
	}
	tests := []struct {
		name    string
		record  func(*halfConn) []byte
		want    error
		message string
	}{
		{"nothing", raw(""), io.EOF, ""},
		{"part of a header", raw("\x17\x03"), io.ErrUnexpectedEOF, ""},
		{"a header alone", raw("\x17\x03\x03\x00\x20"), io.ErrUnexpectedEOF, ""},
		{"HTTP", raw("GET / HTTP/1.1\r\n\r\n"), errRecord, "not encrypted"},
		{"an alert in the clear", raw("\x15\x03\x03\x00\x02\x01\x00"), errRecord, "not encrypted"},
		{"a changed version", changed(2), errRecord, "not encrypted"},
		{"a changed length", changed(4), nil, "e"}, // waits for the rest, or does not decrypt
		{"a changed byte", changed(7), errRecord, "does not decrypt"},
		{"a changed tag", changed(26), errRecord, "does not decrypt"},
		{"too short for a tag", raw("\x17\x03\x03\x00\x10" + strings.Repeat("x", 16)), errRecord, "16 bytes long"},
		{"too long", raw("\x17\x03\x03\x41\x01"), errRecord, "16641 bytes long"},
		{"more than a record's data", sealed(recordData, strings.Repeat("x", maxPlain+1)), errRecord, "impossible content"},
		{"nothing but zeros", sealed(0, "\x00\x00"), errRecord, "impossible content"},
		{"an unknown type", sealed(20, "\x01"), errRecord, "unknown type 20"},
		{"a client hello", sealed(recordHandshake, "\x01\x00\x00\x00"), errRecord, "unexpected handshake message"},
		{"two key updates at once", sealed(recordHandshake, keyUpdate+keyUpdate), errRecord, "unexpected handshake message"},
		{"close_notify", sealed(recordAlert, closeNotify), io.EOF, ""},
		{"another alert", sealed(recordAlert, "\x02\x14"), nil, "TLS alert 20"},
		{"half an alert", sealed(recordAlert, "\x02"), errRecord, "damaged alert"},
	}
	for _, tt := range tests {
		near, far := net.Pipe()
		conn, node := pairOf(far)
		go func() {
			near.Write(tt.record(node))
			near.Close()
		}()
		for range 2 { // the same answer the second time
			n, err := conn.Read(make([]byte, 10))
			if n != 0 || err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("%s: got %d bytes, %v", tt.name, n, err)
			}
		}
		far.Close()
	}
}

func TestRecordsAreReadInTheirOrderOnly(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	conn, node := pairOf(far)
	one, two := node.seal(recordData, []byte("one")), node.seal(recordData, []byte("two"))
	go func() {
		near.Write(one)
		near.Write(one)
		near.Write(two)
	}()
	got := make([]byte, 3)
	if _, err := conn.Read(got); string(got) != "one" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := conn.Read(got); !errors.Is(err, errRecord) {
		t.Errorf("repeated: got %q, %v", got, err)
	}
}

func TestRecordsWithoutDataCannotKeepTheServerBusy(t *testing.T) {
	for name, send := range map[string]func(*halfConn) []byte{
		"empty":       func(h *halfConn) []byte { return h.seal(recordData, nil) },
		"key updates": func(h *halfConn) []byte { defer h.update(); return h.seal(recordHandshake, []byte(keyUpdate)) },
		"ignored":     func(h *halfConn) []byte { return h.seal(recordAlert, []byte{1, 90}) },
	} {
		near, far := net.Pipe()
		conn, node := pairOf(far)
		go func() {
			for range maxIdleRecords {
				near.Write(send(node))
			}
			near.Write(node.seal(recordData, []byte("x")))
			for range maxIdleRecords + 1 {
				near.Write(send(node))
			}
		}()
		got := make([]byte, 1)
		if _, err := conn.Read(got); string(got) != "x" || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if _, err := conn.Read(got); !errors.Is(err, errRecord) {
			t.Errorf("%s: got %v", name, err)
		}
		near.Close()
	}
}

func TestKeyLogsWithoutKeysAreRefused(t *testing.T) {
	long := strings.Repeat("ab", secretSize)
	good := "CLIENT_TRAFFIC_SECRET_0 00 " + long + "\nSERVER_TRAFFIC_SECRET_0 00 " + long + "\n"
	if _, _, err := trafficSecrets([]byte(good)); err != nil {
		t.Errorf("good: %v", err)
	}
	for _, log := range []string{"", good[:50], strings.ReplaceAll(good, "ab", "zz"), strings.ReplaceAll(good, "CLIENT", "X"), strings.ReplaceAll(good, long, "ab")} {
		if _, _, err := trafficSecrets([]byte(log)); err == nil {
			t.Errorf("%q passes", log)
		}
	}
}

// FuzzRecords has a Conn read what a stranger, or the node itself, may send.
func FuzzRecords(f *testing.F) {
	_, node := pairOf(nil)
	f.Add(node.seal(recordData, []byte("hello")), []byte{})
	f.Add([]byte("\x17\x03\x03\x00\x20"), []byte(keyUpdate+"\x16"))
	f.Add([]byte{}, []byte("hello\x17\x00\x00"))
	f.Add([]byte{}, []byte(closeNotify+"\x15"))
	f.Fuzz(func(t *testing.T, outside, inside []byte) {
		if len(inside) > maxPlain {
			return
		}
		_, node := pairOf(nil)
		conn, _ := pairOf(&byteConn{in: bytes.NewReader(append(node.seal(0, inside), outside...))})
		if data, err := io.ReadAll(conn); err == nil && len(data) > len(inside)+len(outside) {
			t.Errorf("%d bytes came out", len(data))
		}
	})
}

// A byteConn is a connection on which everything has arrived already.
type byteConn struct {
	net.Conn
	in *bytes.Reader
}

func (c *byteConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *byteConn) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkRecord(b *testing.B) {
	_, node := pairOf(nil)
	content := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		node.seal(recordData, content)
	}
}

// BenchmarkAccept is the server's handshake as it is used, both sides on loopback.
func BenchmarkAccept(b *testing.B) {
	server := newServer(b)
	for _, resumed := range []bool{false, true} {
		var cache tls.ClientSessionCache
		if resumed {
			cache = tls.NewLRUClientSessionCache(1)
		}
		b.Run(handshakeName(resumed), func(b *testing.B) {
			config := server.nodeConfig(b, newKey(b), cache)
			accept(b, server, config)
			for b.Loop() {
				node, conn := accept(b, server, config)
				node.NetConn().Close()
				conn.NetConn().Close()
			}
		})
	}
}

func handshakeName(resumed bool) string {
	if resumed {
		return "resumed"
	}
	return "full"
}
