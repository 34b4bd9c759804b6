package main

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/bodkin-p2p/bodkin"
)

// Seen to fail: with every Changed told, as each node changes its addresses a second after it has come.
func TestPeopleHearOfOtherNamesAndNotOfOtherAddresses(t *testing.T) {
	var out bytes.Buffer
	print := eventPrinter(&out, false)
	ben, eve := bodkin.Peer{ID: bodkin.NodeID{1}, Name: "ben"}, bodkin.Peer{ID: bodkin.NodeID{2}, Name: "eve"}
	benjamin := ben
	benjamin.Name = "benjamin"
	for _, event := range []bodkin.Event{
		{Kind: bodkin.Joined, Peer: ben}, {Kind: bodkin.Current}, {Kind: bodkin.Changed, Peer: ben}, {Kind: bodkin.Joined, Peer: eve}, {Kind: bodkin.Changed, Peer: eve},
		{Kind: bodkin.Changed, Peer: benjamin}, {Kind: bodkin.Changed, Peer: benjamin}, {Kind: bodkin.Left, Peer: benjamin}, {Kind: bodkin.ServerLost},
	} {
		if err := print(event); err != nil {
			t.Fatal(err)
		}
	}
	got := regexp.MustCompile(`(?m)^\S+ | \(\w+\)$`).ReplaceAllString(out.String(), "")
	want := "ben joined\neve joined\nbenjamin is the name of " + ben.ID.Short() + " now\nbenjamin left\nserver lost, trying again; links go on without it\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
