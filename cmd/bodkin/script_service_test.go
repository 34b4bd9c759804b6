package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

type managerKey struct{}

// scriptManager makes a socket like that of a service manager, in a directory whose path is short enough for one.
func scriptManager(ts *testscript.TestScript, _ bool, _ []string) {
	dir, err := os.MkdirTemp("", "manager")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	ts.Defer(func() { manager.Close() })
	ts.Setenv("NOTIFY_SOCKET", path)
	ts.Value(managerKey{}).(*serviceManager).conn = manager
}

type serviceManager struct {
	conn *net.UnixConn
	text string // all that was told, line by line
}

func scriptTold(ts *testscript.TestScript, _ bool, args []string) {
	m := ts.Value(managerKey{}).(*serviceManager)
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	ts.Check(m.conn.SetReadDeadline(time.Now().Add(patience)))
	for buf := make([]byte, 4096); !re.MatchString(m.text); {
		n, err := m.conn.Read(buf)
		if err != nil {
			ts.Fatalf("nothing like %q was told, but\n%s", args[0], m.text)
		}
		m.text += string(buf[:n]) + "\n"
	}
	m.text = ""
}
