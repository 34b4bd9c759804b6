package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bodkin-p2p/bodkin"
)

func TestASessionWithoutAPathIsShownAsWaiting(t *testing.T) {
	ben := bodkin.Peer{Name: "ben", Path: &bodkin.Path{}}
	var table bytes.Buffer
	if err := printPeers(&table, []bodkin.Peer{ben}); err != nil {
		t.Fatal(err)
	}
	if text := table.String(); !strings.Contains(text, " waiting ") || strings.Contains(text, "invalid") {
		t.Errorf("the table says %q", text)
	}
	text, err := json.Marshal(toJSON(ben))
	if err != nil || !strings.Contains(string(text), `"path":"waiting","remote":null`) {
		t.Errorf("JSON is %s, %v", text, err)
	}
	if line := eventLine(style{}, bodkin.Event{Kind: bodkin.Moved, Peer: ben}); line != "ben out of reach; streams wait for a path" {
		t.Errorf("the event says %q", line)
	}
}
