package record

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os/exec"
	"testing"
	"time"
)

// The other end of these tests is crypto/tls, which must not notice the difference.

func TestConnectionGoesOnWhereTheHandshakeEnded(t *testing.T) {
	for _, tickets := range []bool{true, false} {
		for _, clientCerts := range []tls.ClientAuthType{tls.NoClientCert, tls.RequireAnyClientCert} {
			server, client := configs(t)
			server.SessionTicketsDisabled, server.ClientAuth = !tickets, clientCerts
			for round := range 3 { // later rounds resume
				channel, state, raw, conn := connect(t, server, client)
				if want := tickets && round > 0; state.DidResume != want {
					t.Fatalf("round %d: resumed is %v, want %v", round, state.DidResume, want)
				}
				echo(t, channel, raw, conn, bytes.Repeat([]byte("hello"), 10000))
				conn.Close()
				if err := receive(channel, raw, discard); err != io.EOF {
					t.Fatalf("end is %v, want EOF for close_notify", err)
				}
				raw.Close()
			}
		}
	}
}

func TestBytesSentWithTheHandshakeAreNotLost(t *testing.T) {
	server, client := configs(t)
	left, right := loopback(t)
	go func() {
		conn := tls.Client(right, client)
		conn.Write([]byte("early"))
	}()
	channel, _, err := Server(left, server)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for len(got) < 5 {
		if err := receive(channel, left, func(b []byte) error { got = append(got, b...); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != "early" {
		t.Errorf("got %q", got)
	}
}

func TestKeysChangeInBothDirections(t *testing.T) {
	server, client := configs(t)
	channel, _, raw, conn := connect(t, server, client)
	for range 3 {
		// Ask for new keys, as crypto/tls never does by itself; it answers before its next data.
		ask := must(channel.Out.control(nil, typeHandshake, []byte(keyUpdate[:4]+"\x01")))
		if err := channel.Out.keys.update(); err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Write(ask); err != nil {
			t.Fatal(err)
		}
		before := channel.In.keys.secret
		echo(t, channel, raw, conn, []byte("under new keys"))
		if channel.In.keys.secret == before {
			t.Fatal("the client's keys did not change")
		}
		if _, err := raw.Write(must(channel.Out.UpdateKeys(nil))); err != nil {
			t.Fatal(err)
		}
		echo(t, channel, raw, conn, []byte("and again"))
	}
}

func TestCloseNotifyReachesTheClient(t *testing.T) {
	server, client := configs(t)
	channel, _, raw, conn := connect(t, server, client)
	raw.Write(must(channel.Out.CloseNotify(nil)))
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read gives %v, want EOF", err)
	}
}

func TestFailedHandshakeIsAnError(t *testing.T) {
	server, _ := configs(t)
	for name, bytes := range map[string]string{"nothing": "", "garbage": "GET / HTTP/1.1\r\n\r\n", "half a hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"} {
		left, right := loopback(t)
		io.WriteString(right, bytes)
		right.(*net.TCPConn).CloseWrite()
		if _, _, err := Server(left, server); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestConfigurationsThatCannotBeTakenOverAreRefused(t *testing.T) {
	server, _ := configs(t)
	server.MinVersion = tls.VersionTLS12
	if _, _, err := Server(nil, server); err == nil {
		t.Error("TLS 1.2 allowed: no error")
	}
	server, _ = configs(t)
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
	if _, _, err := Server(nil, server); err == nil {
		t.Error("GetConfigForClient: no error")
	}
}

// TestOpenSSLAgrees runs all three suites against another implementation, which also asks for key updates.
func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here")
	}
	for _, suite := range suites {
		t.Run(tls.CipherSuiteName(suite), func(t *testing.T) {
			server, _ := configs(t)
			server.ClientAuth = tls.NoClientCert
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			command := exec.CommandContext(t.Context(), openssl, "s_client", "-tls1_3", "-ciphersuites", tls.CipherSuiteName(suite), "-connect", listener.Addr().String())
			input, _ := command.StdinPipe()
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			defer command.Wait()
			defer input.Close()
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			channel, state, err := Server(conn, server)
			if err != nil || state.CipherSuite != suite {
				t.Fatalf("handshake: suite %#x, %v", state.CipherSuite, err)
			}
			steps := []struct{ line, want string }{{"one\n", "one\n"}, {"K\n", ""}, {"two\n", "two\n"}, {"k\n", ""}, {"three\n", "three\n"}}
			for _, step := range steps {
				io.WriteString(input, step.line)
				secret := channel.In.keys.secret
				got := ""
				for got != step.want || (step.want == "" && channel.In.keys.secret == secret) {
					if err := receive(channel, conn, func(b []byte) error { got += string(b); return nil }); err != nil {
						t.Fatalf("after %q: got %q, %v", step.line, got, err)
					}
				}
			}
		})
	}
}

// connect returns a connection whose server end was taken over.
func connect(t *testing.T, server, client *tls.Config) (*Channel, tls.ConnectionState, net.Conn, *tls.Conn) {
	t.Helper()
	left, right := loopback(t)
	conn := tls.Client(right, client)
	done := make(chan error, 1)
	go func() { done <- conn.Handshake() }()
	channel, state, err := Server(left, server)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	return channel, state, left, conn
}

// echo sends data both ways, through crypto/tls at one end and channel at the other.
func echo(t *testing.T, channel *Channel, raw net.Conn, conn *tls.Conn, data []byte) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := raw.Write(must(channel.Out.Seal(nil, data)))
		done <- err
	}()
	back := make([]byte, len(data))
	if _, err := io.ReadFull(conn, back); err != nil || !bytes.Equal(back, data) {
		t.Fatalf("client got other bytes than sent: %v", err)
	}
	go func() {
		_, err := conn.Write(data)
		done <- err
	}()
	var got []byte
	for len(got) < len(data) {
		if err := receive(channel, raw, func(b []byte) error { got = append(got, b...); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, data) {
		t.Fatal("server got other bytes than sent")
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
}

// receive reads once from raw, and answers a wish for new keys.
func receive(channel *Channel, raw net.Conn, data func([]byte) error) error {
	buf := make([]byte, 3000)
	n, err := raw.Read(buf)
	if err != nil {
		return err
	}
	return channel.In.Receive(buf[:n], data, func() { raw.Write(must(channel.Out.UpdateKeys(nil))) })
}

func loopback(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	right, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	left, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{left, right} {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { conn.Close() })
	}
	return left, right
}

func configs(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	certs := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}
	server = &tls.Config{Certificates: certs, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert}
	server.SetSessionTicketKeys([][32]byte{{1}})
	client = &tls.Config{Certificates: certs, MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ServerName: "test",
		ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	return server, client
}
