package main

import (
	"reflect"
	"testing"

	"github.com/bodkin-p2p/bodkin"
)

func TestForwardingsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]forwarding{
		"8080:ben:web":         {bind: "127.0.0.1:8080", peer: "ben", service: "web"},
		"0:ben:web":            {bind: "127.0.0.1:0", peer: "ben", service: "web"},
		"0.0.0.0:8080:ben:web": {bind: "0.0.0.0:8080", peer: "ben", service: "web"},
		"lan:8080:ben:web":     {bind: "lan:8080", peer: "ben", service: "web"},
		"[::1]:8080:ben:web":   {bind: "[::1]:8080", peer: "ben", service: "web"},
		"[::]:8080:ben:web":    {bind: "[::]:8080", peer: "ben", service: "web"},
	} {
		if got, err := parseForwarding(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "8080", "8080:ben", "ben:web:8080", "99999:ben:web", "a:b:8080:ben:web", "[::1:8080:ben:web", "[::1]:x:8080:ben:web", "8080::web", "8080:ben:"} {
		if got, err := parseForwarding(text); err == nil {
			t.Errorf("%q became %+v", text, got)
		}
	}
}

func TestServicesAreReadWithWhoMayUseThem(t *testing.T) {
	id := testKey(t).NodeID().String()
	all, err := parseServices([]string{"ssh=localhost:22", "web=localhost:80"}, []string{"*:443", "10.0.0.0/8:22"}, []string{"ssh=ada," + id, "socks=eve", "ssh=zoe"})
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	if !reflect.DeepEqual(all[0].allow, []string{"ada", id, "zoe"}) || all[1].allow != nil || len(all[2].socks) != 2 || all[2].service != socksService {
		t.Errorf("%+v", all)
	}
	for name, c := range map[string][3][]string{
		"no address":     {{"ssh"}, nil, nil},
		"no port":        {{"ssh=localhost"}, nil, nil},
		"no destination": {nil, {"localhost"}, nil},
		"no peer":        {{"ssh=localhost:22"}, nil, {"ssh="}},
		"no service":     {{"ssh=localhost:22"}, nil, {"ada"}},
		"other service":  {{"ssh=localhost:22"}, nil, {"web=ada"}},
		"no name":        {{"ssh=localhost:22"}, nil, {"ssh=ada,_"}},
	} {
		if all, err := parseServices(c[0], c[1], c[2]); err == nil {
			t.Errorf("%s: became %+v", name, all)
		}
	}
}

func testKey(t *testing.T) bodkin.Key {
	t.Helper()
	key, err := bodkin.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
