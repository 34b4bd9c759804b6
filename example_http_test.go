package bodkin_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/bodkin-p2p/bodkin"
)

// A web server on one node, and on another an http.Client whose host names are the names of nodes: http://ben/ is what ben
// listens on as "web". Cookies, keep-alive, redirects and the reverse proxy of net/http/httputil all work as ever.
func Example_http() {
	ada, ben, stop := exampleNodes()
	defer stop()

	listener, err := ben.Listen("web")
	if err != nil {
		log.Fatal(err)
	}
	type caller struct{}
	server := &http.Server{
		// Handlers can ask who calls: its key is proven (Peer), and this is its name in the room.
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, caller{}, conn.(*bodkin.Conn).PeerName())
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "ben's page, for %s", r.Context().Value(caller{}))
		}),
	}
	go server.Serve(listener)
	defer server.Close()

	client := &http.Client{Timeout: exampleTime, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			peer, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return ada.Dial(ctx, peer, "web")
		},
	}}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://ben/")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status)
	fmt.Println(string(page))
	// Output:
	// 200 OK
	// ben's page, for ada
}
