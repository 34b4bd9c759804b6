// Dist builds what is given to people: static programs for every system, archives of them with the manual and the
// completions, packages for Debian and Fedora, and their checksums.
//
//	go run ./packaging/dist [-o dist] [-packages=false] [OS/ARCH...]
//
// The same commit and the same Go give the same bytes, wherever the checkout lies. It is built as it is committed: a
// checkout with changes is built too, and its version says so.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// A target is a system that programs are built for.
type target struct{ os, arch string }

var everyTarget = []target{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

func (t target) String() string { return t.os + "/" + t.arch }

// program is the name of the executable file.
func (t target) program() string {
	if t.os == "windows" {
		return "bodkin.exe"
	}
	return "bodkin"
}

func main() {
	out := flag.String("o", "dist", "directory for what is built, which is made anew")
	packages := flag.Bool("packages", true, "make packages of the programs for Linux")
	flag.Parse()
	if err := run(*out, *packages, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// run builds for the targets that are named, or for all.
func run(out string, packages bool, named []string) error {
	targets := everyTarget
	if len(named) > 0 {
		targets = nil
		for _, name := range named {
			system, arch, ok := strings.Cut(name, "/")
			if !ok {
				return fmt.Errorf("%q: want OS/ARCH, for example linux/arm64", name)
			}
			targets = append(targets, target{system, arch})
		}
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bodkin-dist")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	own := filepath.Join(work, "own", "bodkin") // of this machine: it writes the manual
	if err := compile(target{runtime.GOOS, runtime.GOARCH}, own); err != nil {
		return err
	}
	r, err := readRelease(own)
	if err != nil {
		return err
	}
	if err := r.writeDocuments(own); err != nil {
		return err
	}
	failures := make([]error, len(targets))
	var builds sync.WaitGroup
	turns := make(chan struct{}, min(4, runtime.NumCPU())) // a linker takes one core and half a gigabyte
	for i, t := range targets {
		builds.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			failures[i] = r.build(t, work, out, packages)
		})
	}
	builds.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	fmt.Printf("%s, %s\n", r.version, cmp.Or(r.commit, "of no commit"))
	return sum(out, os.Stdout)
}

// build makes all there is for one target.
func (r *release) build(t target, work, out string, packages bool) error {
	program := filepath.Join(work, t.os, t.arch, t.program())
	if err := compile(t, program); err != nil {
		return err
	}
	if err := r.archive(t, program, out); err != nil {
		return err
	}
	if packages && t.os == "linux" {
		return r.pack(t, program, work, out)
	}
	return nil
}
