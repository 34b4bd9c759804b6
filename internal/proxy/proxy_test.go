package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestEnvironmentChoosesTheProxy(t *testing.T) {
	for _, c := range []struct{ https, no, server, want string }{
		{"", "", "s.example.org:443", ""},
		{"http://p.example.org:3128", "", "s.example.org:443", "http://p.example.org:3128"},
		{"p.example.org:3128", "", "s.example.org:4000", "http://p.example.org:3128"},
		{"http://p.example.org:3128", "example.org", "s.example.org:443", ""},
		{"http://p.example.org:3128", "203.0.113.0/24", "203.0.113.10:4000", ""},
		{"http://p.example.org:3128", "", "127.0.0.1:4000", ""},
		{"http://p.example.org:3128", "", "[2001:db8::1]:443", "http://p.example.org:3128"},
		{"socks5://p.example.org", "", "s.example.org:443", "error"},
	} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
			t.Setenv(name, "")
		}
		t.Setenv("HTTPS_PROXY", c.https)
		t.Setenv("NO_PROXY", c.no)
		got := ""
		if proxy, err := FromEnvironment(c.server); err != nil {
			got = "error"
		} else if proxy != nil {
			got = proxy.String()
		}
		if got != c.want {
			t.Errorf("HTTPS_PROXY=%s NO_PROXY=%s: proxy for %s is %q, want %q", c.https, c.no, c.server, got, c.want)
		}
	}
}

// answering is a proxy that answers text, and then echoes.
func answering(text string, asked *http.Request) Dialer {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			request, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				return
			}
			*asked = *request
			if _, err := io.WriteString(far, text); err == nil {
				io.Copy(far, far)
			}
		}()
		return near, nil
	}
}

func TestConnectGivesTheConnectionBehindTheProxy(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "p", User: url.UserPassword("ada", "secret")}
	var asked http.Request
	conn, err := Connect(t.Context(), proxy, "s.example.org:443", answering("HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\n", &asked))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if asked.Method != "CONNECT" || asked.Host != "s.example.org:443" || asked.RequestURI != "s.example.org:443" {
		t.Errorf("asked for %s %s at %s", asked.Method, asked.RequestURI, asked.Host)
	}
	if got := asked.Header.Get("Proxy-Authorization"); got != "Basic YWRhOnNlY3JldA==" {
		t.Errorf("authorization %q", got)
	}
	io.WriteString(conn, "hello")
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestConnectTellsWhatTheProxySays(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "p:3128", User: url.UserPassword("ada", "secret")}
	for answer, want := range map[string]string{
		"HTTP/1.1 403 Forbidden\r\n\r\n":                      "403 Forbidden",
		"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n":  "407",
		"SSH-2.0-OpenSSH\r\n":                                 "malformed",
		"HTTP/1.1 200 OK\r\n\r\nsurprise":                     "bytes of its own",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20000): "EOF",
	} {
		var asked http.Request
		_, err := Connect(t.Context(), proxy, "s:443", answering(answer, &asked))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("answer %.30q: %v, want %q and no password", answer, err, want)
		}
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	silent := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far)
		return near, nil
	}
	if _, err := Connect(ctx, &url.URL{Scheme: "http", Host: "p"}, "s:443", silent); err == nil {
		t.Error("no error")
	}
}
