package identity

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestIDsSurviveTheirTextForms(t *testing.T) {
	key := newKey(t)
	id := key.NodeID()
	for _, text := range []string{id.String(), strings.ToUpper(id.String()), id.Grouped(), " " + id.String() + "\r\n"} {
		if got, err := ParseNodeID(text); got != id || err != nil {
			t.Errorf("ParseNodeID(%q) = %v, %v", text, got, err)
		}
	}
	if got, err := ParseServerID(key.ServerID().String()); got != key.ServerID() || err != nil {
		t.Errorf("ParseServerID: %v, %v", got, err)
	}
	room := newRoom(t).ID()
	if got, err := ParseRoomID(room.String()); got != room || err != nil {
		t.Errorf("ParseRoomID: %v, %v", got, err)
	}
}

func TestIDsHaveTheDocumentedForm(t *testing.T) {
	id := NodeID{0: 1, 31: 255}
	const want = "node1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqrls"
	if got := id.String(); !strings.HasPrefix(got, want) || len(got) != len("node1")+58 {
		t.Errorf("got %s", got)
	}
	if got := id.Short(); got != "qyqqqqqq" {
		t.Errorf("Short: got %s", got)
	}
	if got := id.Grouped(); !strings.HasPrefix(got, "node1 qyqq qqqq ") {
		t.Errorf("Grouped: got %s", got)
	}
}

func TestIDsOfOneKindAreNotReadAsAnother(t *testing.T) {
	key := newKey(t)
	if _, err := ParseNodeID(key.ServerID().String()); !errors.Is(err, ErrWrongKind) {
		t.Errorf("server id as node id: %v", err)
	}
	if _, err := ParseServerID(key.NodeID().String()); !errors.Is(err, ErrWrongKind) {
		t.Errorf("node id as server id: %v", err)
	}
	if _, err := ParseNodeID(encode(nodePrefix, make([]byte, 31))); !errors.Is(err, ErrWrongKind) {
		t.Errorf("31 bytes as node id: %v", err)
	}
	text := key.NodeID().String()
	if _, err := ParseNodeID(text[:20] + string(other(text[20])) + text[21:]); !errors.Is(err, ErrIDChecksum) {
		t.Errorf("mistyped node id: %v", err)
	}
}

func TestIDsAreJSONStrings(t *testing.T) {
	type peer struct {
		ID     NodeID
		Server ServerID
		Room   RoomID
	}
	key := newKey(t)
	in := peer{key.NodeID(), key.ServerID(), newRoom(t).ID()}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out peer
	if err := json.Unmarshal(data, &out); err != nil || out != in {
		t.Errorf("%s: %v, %v", data, out, err)
	}
	if err := json.Unmarshal([]byte(`{"ID": "node1"}`), &out); !errors.Is(err, ErrIDChecksum) {
		t.Errorf("damaged id: %v", err)
	}
}

func FuzzParseNodeID(f *testing.F) {
	f.Add("")
	f.Add("node1")
	f.Add(NodeID{1, 2, 3}.String())
	f.Add(NodeID{255}.Grouped())
	f.Add(ServerID{4}.String())
	f.Add(sampleInvite().String())
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseNodeID(text)
		if err != nil {
			if _, ok := errors.AsType[*TextError](err); !ok {
				t.Errorf("error %v is no TextError", err)
			}
			return
		}
		if again, err := ParseNodeID(id.String()); again != id || err != nil {
			t.Errorf("%v is read as %v, %v", id, again, err)
		}
	})
}
