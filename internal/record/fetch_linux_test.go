package record

import "testing"

func TestOnlyKernelsThatMakeRoomAreAskedToWaitForMuch(t *testing.T) {
	for release, want := range map[string]bool{
		"6.8.0-45-generic": true, "5.4.0": true, "4.18.0-553.el8_10.x86_64": true, "4.17.19": false, "4.14.221": false, "3.10.0-1160.el7": false,
		"4.4.0-19041-Microsoft": false, "": false, "unknown": false,
	} {
		if got := waitsWell(release); got != want {
			t.Errorf("%q: %t, want %t", release, got, want)
		}
	}
}
