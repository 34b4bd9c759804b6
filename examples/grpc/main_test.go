package main

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/server"
)

// TestANodeCallsAnother calls a service, which sees who calls.
//
// Seen to fail: with another service name in serve than in dial.
func TestANodeCallsAnother(t *testing.T) {
	invite := room(t)
	ben, ada := join(t, invite, "ben"), join(t, invite, "ada")
	listener, err := ben.Listen(service)
	if err != nil {
		t.Fatal(err)
	}
	callers := make(chan net.Addr, 1)
	server := newServer(grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if from, ok := peer.FromContext(ctx); ok {
			callers <- from.Addr
		}
		return handle(ctx, request)
	}))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	status, err := call(ctx, ada, "ben")
	if status != healthpb.HealthCheckResponse_SERVING || err != nil {
		t.Fatalf("ben is %v, %v", status, err)
	}
	if from := (<-callers).(bodkin.Addr); from.Node != ada.ID() || from.Name != "ada" {
		t.Errorf("ben was called by %v, want ada", from)
	}
	server.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func join(t *testing.T, invite bodkin.Invite, name string) *bodkin.Node {
	node, err := bodkin.Join(t.Context(), bodkin.Config{Invite: invite, Name: name, NoPortMapping: true, NoLAN: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	return node
}

// room runs a server on loopback until the test ends.
func room(t *testing.T) bodkin.Invite {
	s, err := server.Open(server.Config{Home: t.TempDir(), Main: []string{"127.0.0.1:0"}, Hole: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	invite, err := s.Invite(server.DefaultRoom)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-served
	})
	return invite
}
