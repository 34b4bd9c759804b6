package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// Seen to fail: with each of the bounds taken out of parseOffers.
func TestWhatAPeerTellsOfItsServicesIsBounded(t *testing.T) {
	many, err := json.Marshal(offered{strings.Split(strings.Repeat("a,", maxOffered)+"a", ",")})
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		`{"services":["ssh","web"]}`:  true,
		`{"services":[],"more":1}`:    true,
		`{"services":null}`:           false,
		`{}`:                          false,
		``:                            false,
		`hello`:                       false,
		`{"services":["a\u001b[2J"]}`: false,
		`{"services":[""]}`:           false,
		`{"services":["` + strings.Repeat("a", 200) + `"]}`: false,
		string(many): false,
	} {
		if names, err := parseOffers([]byte(text)); (err == nil) != ok {
			t.Errorf("%.60s: %v, %v", text, names, err)
		}
	}
}

func TestShellsAreOfferedPlainWordsOnly(t *testing.T) {
	for name, plain := range map[string]bool{
		"ssh": true, "my-db_2.x": true, "a@b": true, "x;reboot": false, "$(id)": false, "-rf": false, "a b": false, "`id`": false, "": false, "é": false,
	} {
		if plainService.MatchString(name) != plain {
			t.Errorf("%q: plain is %t, want %t", name, !plain, plain)
		}
	}
}

func FuzzOffersAreServicesOrNone(f *testing.F) {
	for _, text := range []string{`{"services":["ssh"]}`, `{"services":[]}`, `[]`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		names, err := parseOffers(text)
		if len(names) > maxOffered || err == nil && names == nil {
			t.Fatalf("%d names, %v", len(names), err)
		}
		for _, name := range names {
			if checkService(name) != nil {
				t.Fatalf("%q is taken for a service", name)
			}
		}
	})
}
