package portmap

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/huin/goupnp"
)

const (
	maxBody     = 256 << 10 // of a description or an answer; they are some 5 KiB
	maxHeader   = 16 << 10
	httpTimeout = 3 * time.Second
)

// httpClient returns a client that connects to the gateway's address and to no other, whatever a description or a redirection
// names, and reads at most maxBody of an answer.
func (l link) httpClient() http.Client {
	return http.Client{
		Timeout:       httpTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: boundedTransport{&http.Transport{
			DialContext:            l.dialHTTP,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeader,
		}},
	}
}

func (l link) dialHTTP(ctx context.Context, _, address string) (conn net.Conn, err error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil || to.Addr().Unmap() != l.gateway.Unmap() {
		return nil, fmt.Errorf("portmap: a UPnP device at %s, which is not the gateway's address", address)
	}
	err = l.within.Do(func() error { // a literal address is dialled on this goroutine
		dialer := net.Dialer{Timeout: httpTimeout}
		conn, err = dialer.DialContext(ctx, "tcp", to.String())
		return err
	})
	return conn, err
}

// A boundedTransport cuts off what is too long.
type boundedTransport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxBody), response.Body}
	return response, nil
}

// describe reads the description of a device.
func (l link) describe(ctx context.Context, at *url.URL) (*goupnp.RootDevice, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	client := l.httpClient()
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("portmap: description of the gateway: %s", response.Status)
	}
	return parseDescription(response.Body, at)
}

// parseDescription reads the description of a device that was found at a place.
func parseDescription(r io.Reader, at *url.URL) (*goupnp.RootDevice, error) {
	decoder := xml.NewDecoder(io.LimitReader(r, maxBody))
	decoder.DefaultSpace = goupnp.DeviceXMLNamespace
	root := new(goupnp.RootDevice)
	if err := decoder.Decode(root); err != nil {
		return nil, fmt.Errorf("portmap: description of the gateway: %w", err)
	}
	base := at
	if root.URLBaseStr != "" {
		var err error
		if base, err = url.Parse(root.URLBaseStr); err != nil {
			return nil, fmt.Errorf("portmap: description of the gateway: %w", err)
		}
	}
	root.SetURLBase(base)
	return root, nil
}
