package record

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

var suites = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}

// TestKeysAreThoseOfRFC8448 follows the trace of RFC 8448, section 3.
func TestKeysAreThoseOfRFC8448(t *testing.T) {
	server := mustKeys(t, tls.TLS_AES_128_GCM_SHA256, unhex(t, "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"))
	if got, want := hex.EncodeToString(server.key[:16]), "9f02283b6c9c07efc26bb9f2ac92e356"; got != want {
		t.Errorf("key is %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(server.iv[:]), "cf782b88dd83549aadf1e984"; got != want {
		t.Errorf("nonce is %s, want %s", got, want)
	}
	client := Sender{mustKeys(t, tls.TLS_AES_128_GCM_SHA256, unhex(t, "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"))}
	data := make([]byte, 50)
	for i := range data {
		data[i] = byte(i)
	}
	got, err := client.Seal(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	want := "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
	if hex.EncodeToString(got) != want {
		t.Errorf("record is\n%x, want\n%s", got, want)
	}
}

func TestRecordsMayBeSplitAnywhere(t *testing.T) {
	for _, suite := range suites {
		for _, step := range []int{1, 2, 3, 5, 7, 100, 1000, 16384, 1 << 20, 0 /* random */} {
			sender, receiver := pair(t, suite)
			var sent, got, stream []byte
			for _, n := range []int{1, 2, 50, 16383, 16384, 16385, 40000, 3} {
				data := bytes.Repeat([]byte{byte(n)}, n)
				sent = append(sent, data...)
				stream = must(sender.Seal(stream, data))
				if n == 50 || n == 40000 {
					stream = must(sender.UpdateKeys(stream))
				}
			}
			stream = must(sender.CloseNotify(stream))
			var err error
			for err == nil && len(stream) > 0 {
				n := min(step, len(stream))
				if step == 0 {
					n = min(1+rand.IntN(20000), len(stream))
				}
				err = receiver.Receive(stream[:n], func(b []byte) error { got = append(got, b...); return nil }, never)
				stream = stream[n:]
			}
			if err != io.EOF || len(stream) != 0 {
				t.Fatalf("%s, steps of %d: ended with %v, %d bytes left; want EOF", tls.CipherSuiteName(suite), step, err, len(stream))
			}
			if !bytes.Equal(got, sent) {
				t.Fatalf("%s, steps of %d: got other bytes than sent", tls.CipherSuiteName(suite), step)
			}
		}
	}
}

func TestBetweenRecordsNothingIsBuffered(t *testing.T) {
	sender, receiver := pair(t, tls.TLS_AES_128_GCM_SHA256)
	stream := must(sender.Seal(nil, make([]byte, 1000)))
	receiver.Receive(stream[:700], discard, never)
	receiver.Receive(stream[700:], discard, never)
	if receiver.partial != nil {
		t.Errorf("%d bytes kept", cap(receiver.partial))
	}
	if size := unsafe.Sizeof(Channel{}); size > 300 {
		t.Errorf("a channel takes %d bytes", size)
	}
}

func TestSenderChangesKeysBeforeTheyWearOut(t *testing.T) {
	sender, receiver := pair(t, tls.TLS_AES_128_GCM_SHA256)
	sender.keys.sequence, receiver.keys.sequence = rekeyAfter-1, rekeyAfter-1
	var got []byte
	for _, text := range []string{"last", "first"} {
		if err := receiver.Receive(must(sender.Seal(nil, []byte(text))), func(b []byte) error { got = append(got, b...); return nil }, never); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != "lastfirst" || sender.keys.sequence != 1 || receiver.keys.sequence != 1 {
		t.Errorf("got %q, counts %d and %d; want new keys after %q", got, sender.keys.sequence, receiver.keys.sequence, "last")
	}
}

func TestBrokenRecordsEndTheConnection(t *testing.T) {
	seal := func(s *Sender, kind byte, payload string) []byte { return must(s.control(nil, kind, []byte(payload))) }
	tests := []struct {
		name  string
		bytes func(*Sender) []byte
	}{
		{"plain text", func(*Sender) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }},
		{"a record in the clear", func(*Sender) []byte { return []byte("\x16\x03\x03\x00\x05hello") }},
		{"no content", func(*Sender) []byte { return []byte("\x17\x03\x03\x00\x00") }},
		{"a length above the limit", func(*Sender) []byte { return []byte("\x17\x03\x03\x41\x01") }},
		{"a changed bit", func(s *Sender) []byte { b := seal(s, typeApplication, "hello"); b[9] ^= 1; return b }},
		{"a repeated record", func(s *Sender) []byte { b := seal(s, typeApplication, "hello"); return append(b, b...) }},
		{"a record left out", func(s *Sender) []byte { seal(s, typeApplication, "one"); return seal(s, typeApplication, "two") }},
		{"only padding", func(s *Sender) []byte { return seal(s, 0, "\x00\x00") }},
		{"more content than allowed", func(s *Sender) []byte { return seal(s, typeApplication, string(make([]byte, maxPlaintext+1))) }},
		{"a client hello after the handshake", func(s *Sender) []byte { return seal(s, typeHandshake, "\x01\x00\x00\x01\x00") }},
		{"half a key update", func(s *Sender) []byte { return seal(s, typeHandshake, keyUpdate[:3]) }},
		{"a key update of kind 2", func(s *Sender) []byte { return seal(s, typeHandshake, keyUpdate[:4]+"\x02") }},
		{"bytes behind a key update", func(s *Sender) []byte { return seal(s, typeHandshake, keyUpdate+keyUpdate) }},
		{"an alert of one byte", func(s *Sender) []byte { return seal(s, typeAlert, "\x01") }},
		{"an unknown content type", func(s *Sender) []byte { return seal(s, 24, "heartbeat") }},
		{"empty records without end", func(s *Sender) []byte {
			var b []byte
			for range maxIdleRecords + 1 {
				b = append(b, seal(s, typeApplication, "")...)
			}
			return b
		}},
		{"key updates without end", func(s *Sender) []byte {
			var b []byte
			for range maxIdleRecords + 1 {
				b = must(s.UpdateKeys(b))
			}
			return b
		}},
	}
	for _, test := range tests {
		for _, step := range []int{1, 1 << 20} {
			sender, receiver := pair(t, tls.TLS_AES_128_GCM_SHA256)
			b := test.bytes(sender)
			var err error
			for err == nil && len(b) > 0 {
				n := min(step, len(b))
				err = receiver.Receive(b[:n], discard, never)
				b = b[n:]
			}
			if !errors.Is(err, ErrBroken) {
				t.Errorf("%s, steps of %d: error is %v, want ErrBroken", test.name, step, err)
			}
		}
	}
}

func TestAlertsAreErrorsOfTheirOwn(t *testing.T) {
	sender, receiver := pair(t, tls.TLS_AES_128_GCM_SHA256)
	err := receiver.Receive(must(sender.control(nil, typeAlert, []byte{2, 80})), discard, never)
	if err != AlertError(80) {
		t.Errorf("error is %v, want alert 80", err)
	}
}

func TestDataErrorStopsTheReceiver(t *testing.T) {
	sender, receiver := pair(t, tls.TLS_AES_128_GCM_SHA256)
	b := must(sender.Seal(nil, []byte("one")))
	b = must(sender.Seal(b, []byte("two")))
	enough, calls := errors.New("enough"), 0
	if err := receiver.Receive(b, func([]byte) error { calls++; return enough }, never); err != enough || calls != 1 {
		t.Errorf("error is %v after %d calls, want %v after 1", err, calls, enough)
	}
}

func TestNewKeysAreAskedForInTheirPlace(t *testing.T) {
	sender, receiver := pair(t, tls.TLS_AES_128_GCM_SHA256)
	b := must(sender.Seal(nil, []byte("one")))
	b = must(sender.control(b, typeHandshake, []byte(keyUpdate[:4]+"\x01")))
	if err := sender.keys.update(); err != nil {
		t.Fatal(err)
	}
	b = must(sender.Seal(b, []byte("two")))
	var got []string
	err := receiver.Receive(b, func(p []byte) error { got = append(got, string(p)); return nil }, func() { got = append(got, "asked") })
	if want := []string{"one", "asked", "two"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// FuzzReceiver holds the receiver to what it was given: hostile bytes, in pieces, behind a good record.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte("\x17\x03\x03\x00\x11aaaaaaaaaaaaaaaaa"), uint8(1))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint8(3))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, tail []byte, step uint8) {
		sender, receiver := pair(t, tls.TLS_AES_128_GCM_SHA256)
		b := append(must(sender.Seal(nil, []byte("good"))), tail...)
		var got []byte
		var err error
		for err == nil && len(b) > 0 {
			n := min(int(step)+1, len(b))
			err = receiver.Receive(b[:n], func(p []byte) error { got = append(got, p...); return nil }, never)
			b = b[n:]
		}
		if string(got) != "good" {
			t.Fatalf("got %q from a stream in which only %q was sealed", got, "good")
		}
		if err != nil && !errors.Is(err, ErrBroken) {
			t.Fatalf("error is %v, want ErrBroken", err)
		}
		if len(receiver.partial) > headerLen+maxCiphertext {
			t.Fatalf("%d bytes buffered", len(receiver.partial))
		}
	})
}

func BenchmarkPingSizedRecord(b *testing.B) {
	for _, suite := range suites {
		b.Run(tls.CipherSuiteName(suite), func(b *testing.B) {
			sender, receiver := pair(b, suite)
			buf, data := make([]byte, 0, 100), make([]byte, 8)
			b.ReportAllocs()
			for b.Loop() {
				sender.keys.sequence, receiver.keys.sequence = 0, 0
				sealed, err := sender.Seal(buf, data)
				if err != nil {
					b.Fatal(err)
				}
				if err := receiver.Receive(sealed, discard, never); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func pair(t testing.TB, suite uint16) (*Sender, *Receiver) {
	t.Helper()
	secret := make([]byte, 32)
	if suite == tls.TLS_AES_256_GCM_SHA384 {
		secret = make([]byte, 48)
	}
	k := mustKeys(t, suite, secret)
	return &Sender{k}, &Receiver{keys: k}
}

func mustKeys(t testing.TB, suite uint16, secret []byte) keys {
	t.Helper()
	k, err := newKeys(suite, secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func discard([]byte) error { return nil }

// never is for streams in which nobody asks for new keys.
func never() { panic("asked for new keys") }
