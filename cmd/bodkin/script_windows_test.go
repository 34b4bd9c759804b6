package main

import "github.com/rogpeppe/go-internal/testscript"

func scriptSignal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("Windows has no such signals")
}
