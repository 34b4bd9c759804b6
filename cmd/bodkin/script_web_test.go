package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptWeb serves "hello" until the script ends, and beside it what says everything again.
func scriptWeb(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of a client that does not speak HTTP
	if len(args) == 1 {
		listener, err := net.Listen("tcp", args[0])
		ts.Check(err)
		server.Listener.Close()
		server.Listener = listener
	}
	server.Start()
	ts.Defer(server.Close)
	ts.Setenv("WEB", server.Listener.Addr().String())
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { echo.Close() })
	ts.Setenv("ECHO", echo.Addr().String())
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
}

// scriptPorts finds out where forwardings listen.
func scriptPorts(ts *testscript.TestScript, _ bool, args []string) {
	text, _ := processOf(ts, args[0]).output.now()
	for i, m := range regexp.MustCompile(`(?m)^(\S+) leads to `).FindAllStringSubmatch(text, -1) {
		ts.Setenv(fmt.Sprintf("PORT%d", i+1), m[1])
	}
}

// scriptFetch is a small curl.
func scriptFetch(ts *testscript.TestScript, neg bool, args []string) {
	transport := &http.Transport{DisableKeepAlives: true}
	if len(args) == 3 && args[0] == "--proxy" {
		proxy, err := url.Parse(args[1])
		ts.Check(err)
		transport.Proxy = http.ProxyURL(proxy)
		args = args[2:]
	}
	client := http.Client{Transport: transport, Timeout: patience}
	resp, err := client.Get(args[0])
	if err == nil {
		defer resp.Body.Close()
		var text []byte
		if text, err = io.ReadAll(resp.Body); err == nil {
			fmt.Fprint(ts.Stdout(), string(text))
		}
	}
	switch {
	case err == nil && neg:
		ts.Fatalf("fetched all the same")
	case err != nil && !neg:
		ts.Fatalf("%v", err)
	}
}
