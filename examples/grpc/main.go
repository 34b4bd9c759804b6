// Grpc calls a gRPC service of another node, by the health service that comes with gRPC. On one machine, and on another:
//
//	BODKIN_INVITE=bodkin1... go -C examples/grpc run . serve ben
//	BODKIN_INVITE=bodkin1... go -C examples/grpc run . call ben
//
// gRPC's own encryption is left out: the stream is end-to-end encrypted and both nodes are proven before a byte is sent. Who
// calls is in the peer's address: a [bodkin.Addr].
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bodkin-p2p/bodkin"
)

// service is the name under which gRPC is served.
const service = "grpc"

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: BODKIN_INVITE=bodkin1... grpc serve NAME | grpc call PEER")
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, what, name string) error {
	invite, err := bodkin.ParseInvite(os.Getenv("BODKIN_INVITE"))
	if err != nil {
		return fmt.Errorf("BODKIN_INVITE: %w", err)
	}
	config := bodkin.Config{Invite: invite}
	switch what {
	case "serve":
		config.Name = name
	case "call":
		config.DialOnly = true // others need not see who only calls
	default:
		return errors.New("want serve or call")
	}
	node, err := bodkin.Join(ctx, config)
	if err != nil {
		return err
	}
	defer node.Close()
	if what == "serve" {
		listener, err := node.Listen(service)
		if err != nil {
			return err
		}
		return newServer().Serve(listener)
	}
	status, err := call(ctx, node, name)
	fmt.Println(name, "is", status)
	return err
}

// newServer is a gRPC server like any other; a [bodkin.Listener] is all it needs to serve nodes.
func newServer(options ...grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(options...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	return server
}

// dial returns a client whose connections go to a node. It makes them when they are needed, and again when they are lost.
func dial(node *bodkin.Node, peer string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+peer,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, peer string) (net.Conn, error) {
			return node.Dial(ctx, peer, service)
		}))
}

// call asks a node how it is.
func call(ctx context.Context, node *bodkin.Node, peer string) (healthpb.HealthCheckResponse_ServingStatus, error) {
	conn, err := dial(node, peer)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return answer.GetStatus(), err
}
