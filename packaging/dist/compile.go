package main

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// compile builds the program of a target into a file. Nothing of this machine is in it: no paths, no C library, no
// variables of the environment that change what the compiler makes.
func compile(t target, file string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", file, "./cmd/bodkin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch,
		"GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build for %v: %w", t, err)
	}
	return nil
}

// A release is what is built: which version, and the files that go with every program.
type release struct {
	version   string // of the module, without the v
	commit    string
	at        time.Time // of the commit: the date of everything that is built
	documents []document
}

// A document is a file of the archives and packages.
type document struct {
	name string // in archives: man/bodkin.1
	data []byte
}

// readRelease reads what the go command recorded in a program.
func readRelease(program string) (*release, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	r := &release{version: strings.TrimPrefix(info.Main.Version, "v")}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.commit = s.Value
		case "vcs.time":
			if r.at, err = time.Parse(time.RFC3339, s.Value); err != nil {
				return nil, err
			}
		}
	}
	if r.commit == "" {
		return nil, fmt.Errorf("%s: the go command found no commit; build in a checkout with git", program)
	}
	return r, nil
}

// writeDocuments fills the documents in: those of the checkout, and those that the program writes.
func (r *release) writeDocuments(program string) error {
	for _, name := range []string{"LICENSE", "README.md", "README.zh-CN.md"} {
		if err := r.add(name, name); err != nil {
			return err
		}
	}
	pages := filepath.Join(filepath.Dir(program), "man")
	if out, err := exec.Command(program, "man", pages).CombinedOutput(); err != nil {
		return fmt.Errorf("bodkin man: %w\n%s", err, out)
	}
	entries, err := os.ReadDir(pages)
	if err != nil {
		return err
	}
	for _, page := range entries {
		if err := r.add("man/"+page.Name(), filepath.Join(pages, page.Name())); err != nil {
			return err
		}
	}
	for shell, name := range completions {
		text, err := exec.Command(program, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("bodkin completion %s: %w", shell, err)
		}
		r.documents = append(r.documents, document{"completion/" + name, text})
	}
	terms, err := licenses(program)
	if err != nil {
		return err
	}
	r.documents = append(r.documents, document{thirdParty, terms})
	slices.SortFunc(r.documents, func(a, b document) int { return cmp.Compare(a.name, b.name) })
	return nil
}

// thirdParty is the document with the terms of what is linked into the program.
const thirdParty = "THIRD-PARTY-LICENSES"

// completions are the shells and what their files are named.
var completions = map[string]string{"bash": "bodkin.bash", "zsh": "_bodkin", "fish": "bodkin.fish", "powershell": "bodkin.ps1"}

func (r *release) add(name, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r.documents = append(r.documents, document{name, data})
	return nil
}
