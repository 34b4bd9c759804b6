package natlab_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A client behind a NAT asks a server which address it comes from. (It is no test, because examples
// cannot be skipped where namespaces are forbidden.)
func Example() {
	if err := natlab.Enter(); err != nil {
		log.Fatal(err) // it says what to change
	}
	lab, err := natlab.New(natlab.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer lab.Close()
	server := lab.Host("server", natlab.At("203.0.113.10"), natlab.Delay(20*time.Millisecond))
	home := lab.NAT("home", natlab.PortRestrictedCone(), natlab.At("198.51.100.1"))
	client := home.Host("client")
	if err := lab.Err(); err != nil {
		log.Fatal(err)
	}

	listener, err := server.Listen("tcp", ":4000")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintln(conn, "you come from", conn.RemoteAddr())
		conn.Close()
	}()

	conn, err := client.Dial(context.Background(), "tcp", "203.0.113.10:4000")
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, conn) // you come from 198.51.100.1:PORT
	for _, flow := range lab.Flows() {
		fmt.Println(flow.Network, flow.Src, flow.Dst, flow.SYNs, flow.Bytes)
	}
}
