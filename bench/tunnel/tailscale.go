package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// headscalePort is where Headscale listens, for clients and as DERP relay.
const headscalePort = "8443"

// headscaleConfig is Headscale with its own DERP relay and STUN server and none of Tailscale's, of which the lab has none.
const headscaleConfig = `server_url: https://ADDR:PORT
listen_addr: ADDR:PORT
metrics_listen_addr: 127.0.0.1:9090
grpc_listen_addr: 127.0.0.1:50443
noise: {private_key_path: DIR/headscale.noise}
prefixes: {v4: 100.64.0.0/10, allocation: sequential}
derp:
  server:
    enabled: true
    region_id: 999
    region_code: lab
    region_name: lab
    verify_clients: false
    stun_listen_addr: ADDR:3478
    private_key_path: DIR/headscale.derp
    automatically_add_embedded_derp_region: true
    ipv4: ADDR
  urls: []
  paths: []
  auto_update_enabled: false
disable_check_updates: true
database: {type: sqlite, sqlite: {path: DIR/headscale.sqlite}}
tls_cert_path: DIR/headscale.crt
tls_key_path: DIR/headscale.key
policy: {mode: file, path: ""}
dns: {magic_dns: false, override_local_dns: false, base_domain: lab.test}
unix_socket: DIR/headscale.sock
unix_socket_permission: "0700"
logtail: {enabled: false}
`

// serveTailscale starts Headscale, and makes the key by which nodes join.
func (p *programs) serveTailscale(ctx context.Context) (*process, error) {
	if err := p.writeCertificate(); err != nil {
		return nil, err
	}
	config := p.write("headscale.yaml", strings.NewReplacer("ADDR", serverAddr, "PORT", headscalePort, "DIR", p.dir).Replace(headscaleConfig))
	server, err := p.start(ctx, p.public, p.path("headscale"), "-c", config, "serve")
	if err != nil {
		return nil, err
	}
	if _, err := server.await(ctx, patience, "listening and serving HTTP"); err != nil || p.authKey != "" {
		return server, err
	}
	if _, err := p.run(ctx, p.public, p.path("headscale"), "-c", config, "users", "create", "lab"); err != nil {
		return server, err
	}
	said, err := p.run(ctx, p.public, p.path("headscale"), "-c", config, "preauthkeys", "create", "--user", "1", "--reusable", "--expiration", "24h")
	if words := strings.Fields(said); len(words) > 0 {
		p.authKey = words[len(words)-1]
	}
	return server, err
}

// writeCertificate writes the certificate that Headscale shows, and that everybody here trusts.
func (p *programs) writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(serverAddr)}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	p.write("headscale.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	p.write("headscale.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return nil
}

// mapsAround is how long a node may take to hear of another that has just joined.
const mapsAround = 2 * time.Second

// openTailscale makes both hosts nodes, with a device of the kernel's. What near connects to is far's own address then.
func openTailscale(ctx context.Context, p *programs, near, far place) (_ *tunnel, err error) {
	t := &tunnel{}
	n := p.tunnels.Add(1)
	var ip string
	if t.far, ip, err = p.joinTailscale(ctx, far, fmt.Sprintf("ben%d", n)); err != nil {
		return t, err
	}
	t.enter = net.JoinHostPort(ip, servicePort)
	if t.near, _, err = p.joinTailscale(ctx, near, fmt.Sprintf("ada%d", n)); err != nil {
		return t, err
	}
	return t, pause(ctx, mapsAround)
}

// joinTailscale starts a node and has it join. It returns the address that it is given.
func (p *programs) joinTailscale(ctx context.Context, at place, name string) (node *process, ip string, err error) {
	home := p.path(name)
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, "", err
	}
	socket := "--socket=" + home + "/socket"
	node, err = p.start(ctx, at, p.path("tailscaled"), "--state=mem:", "--statedir="+home, socket, "--tun=ts0", "--port=41641", "--no-logs-no-support")
	if err != nil {
		return node, "", err
	}
	server := "https://" + net.JoinHostPort(serverAddr, headscalePort)
	_, err = p.run(ctx, at, p.path("tailscale"), socket, "up", "--login-server="+server, "--authkey="+p.authKey, "--hostname="+name, "--accept-dns=false", "--netfilter-mode=off")
	if err != nil {
		return node, "", err
	}
	said, err := p.run(ctx, at, p.path("tailscale"), socket, "ip", "-4")
	if ip = strings.TrimSpace(said); err == nil && net.ParseIP(ip) == nil {
		err = errors.New("tailscale tells no address, but " + ip)
	}
	return node, ip, err
}
