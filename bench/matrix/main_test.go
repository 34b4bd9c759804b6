package main

import (
	"testing"

	"github.com/bodkin-p2p/bodkin/natlab"
)

func TestMain(m *testing.M) { natlab.Main(m) }

func TestSharesAreReadWithAndWithoutPercent(t *testing.T) {
	for text, want := range map[string]float64{"5%": 0.05, "0.05": 0.05, "0": 0, "50%": 0.5} {
		if got, err := parseShare(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "51%", "-1%", "NaN"} {
		if got, err := parseShare(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestOptionsHaveBounds(t *testing.T) {
	good := options{Runs: 20, parallel: 8}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for _, spoil := range []func(*options){
		func(o *options) { o.Runs = 0 }, func(o *options) { o.Runs = 1001 }, func(o *options) { o.parallel = 0 },
		func(o *options) { o.Traffic = -1 }, func(o *options) { o.Jitter = -1 },
	} {
		bad := good
		spoil(&bad)
		if err := bad.check(); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
