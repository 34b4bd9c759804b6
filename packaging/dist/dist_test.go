package main

import "testing"

func TestWhatComesBeforeAReleaseSortsBeforeIt(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3":                             "1.2.3",
		"1.2.3-rc.1":                        "1.2.3~rc.1",
		"0.0.0-20261123085747-46d855e2e506": "0.0.0~20261123085747.46d855e2e506",
		"0.0.0-20261123085747-46d855e2e506+dirty": "0.0.0~20261123085747.46d855e2e506+dirty",
	} {
		if got := packageVersion(version); got != want {
			t.Errorf("packageVersion(%q) = %q, want %q", version, got, want)
		}
	}
}
