// Package proxy opens connections through an HTTP proxy: the method CONNECT (RFC 9110, section 9.3.6), by which a proxy
// carries the bytes of a connection without looking at them. Which proxy is for which server says the environment, as for most programs:
// HTTPS_PROXY, or https_proxy, and NO_PROXY.
package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// maxAnswer bounds a proxy's answer in bytes.
const maxAnswer = 16 << 10

// A Dialer opens TCP connections, as *net.Dialer does.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// FromEnvironment returns the proxy for connections to server, which is host:port; nil: none. Loopback has none.
func FromEnvironment(server string) (*url.URL, error) {
	// The rules of https are those for connections that are protected from end to end.
	proxy, err := httpproxy.FromEnvironment().ProxyFunc()(&url.URL{Scheme: "https", Host: server})
	if err != nil {
		return nil, fmt.Errorf("proxy of the environment: %w", err)
	}
	if proxy != nil && proxy.Scheme != "http" && proxy.Scheme != "https" {
		return nil, fmt.Errorf("proxy of the environment: %q is no HTTP proxy", proxy.Redacted())
	}
	return proxy, nil
}

// Connect has the proxy connect to server, which is host:port, and returns the connection. dial opens the one to the proxy. It ends when ctx
// ends.
func Connect(ctx context.Context, proxy *url.URL, server string, dial Dialer) (net.Conn, error) {
	conn, err := dial(ctx, "tcp", addressOf(proxy))
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", proxy.Redacted(), err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	carried, err := connect(ctx, conn, proxy, server)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy %s: %w", proxy.Redacted(), err)
	}
	return carried, nil
}

func connect(ctx context.Context, conn net.Conn, proxy *url.URL, server string) (net.Conn, error) {
	if proxy.Scheme == "https" {
		secured := tls.Client(conn, &tls.Config{ServerName: proxy.Hostname()})
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secured
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: server}, Host: server, Header: http.Header{"User-Agent": {"bodkin"}}}
	if user := proxy.User; user != nil {
		password, _ := user.Password()
		basic := http.Request{Header: http.Header{}}
		basic.SetBasicAuth(user.Username(), password)
		request.Header.Set("Proxy-Authorization", basic.Header.Get("Authorization"))
	}
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	// Behind the answer comes nothing until this end has spoken: so a buffer cannot take what is not its own.
	reader := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %q", strings.TrimSpace(response.Status))
	}
	if reader.Buffered() > 0 {
		return nil, errors.New("it sends bytes of its own")
	}
	return conn, nil
}

// addressOf is where a proxy listens.
func addressOf(proxy *url.URL) string {
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	}
	return net.JoinHostPort(proxy.Hostname(), port)
}
