package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// licenses returns the terms of everything that is linked into a program: most ask to go with it.
func licenses(program string) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var linked []string
	for _, dep := range info.Deps {
		linked = append(linked, dep.Path)
	}
	cmd := exec.Command("go", "list", "-m", "-json", "all")
	cmd.Stderr = os.Stderr
	modules, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	var text bytes.Buffer
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	if err := license(&text, "The Go standard library", strings.TrimSpace(string(goroot))); err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(modules)); decoder.More(); {
		var module struct{ Path, Version, Dir string }
		if err := decoder.Decode(&module); err != nil {
			return nil, err
		}
		if !slices.Contains(linked, module.Path) {
			continue
		}
		if err := license(&text, module.Path+" "+module.Version, module.Dir); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

// license appends the terms that lie in dir.
func license(text *bytes.Buffer, title, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(text, "== %s (%s)\n\n%s\n\n", title, e.Name(), bytes.TrimSpace(data))
		found = found || !strings.HasPrefix(name, "NOTICE")
	}
	if !found {
		return fmt.Errorf("%s has no license in %s", title, dir)
	}
	return nil
}
