//go:build packaging && unix

// These tests build the program and its packages, and are not part of go test ./...: go test -tags packaging ./packaging/dist

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// clone makes a checkout of the commit that is tested, and makes it the working directory.
func clone(t *testing.T, dir string) {
	t.Helper()
	repository, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		t.Fatal("needs a checkout with git: ", err)
	}
	if out, err := exec.Command("git", "clone", "--quiet", strings.TrimSpace(string(repository)), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Chdir(dir)
}

// built reads the files of a directory that dist has filled.
func built(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// everything is all that dist makes of the commit that is tested, by name.
func everything(t *testing.T) map[string][]byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	clone(t, filepath.Join(t.TempDir(), "checkout"))
	if err := run(out, true, nil); err != nil {
		t.Fatal(err)
	}
	return built(t, out)
}

// TestWhatIsGivenToPeople builds it all once.
//
// Seen to fail: without -trimpath, with the time of the build in the archives, with cgo, with the modes of directories as the umask
// leaves them, and with the host's name in the .rpm.
func TestWhatIsGivenToPeople(t *testing.T) {
	all := everything(t)
	t.Run("is for every system", func(t *testing.T) {
		kinds := map[string]int{}
		for name := range all {
			kinds[strings.TrimPrefix(filepath.Ext(name), ".")]++
		}
		if kinds["gz"] != 4 || kinds["zip"] != 2 || kinds["deb"] != 2 || kinds["rpm"] != 2 || len(all["SHA256SUMS"]) == 0 {
			t.Errorf("built %v", kinds)
		}
	})
	t.Run("has the program and its papers", func(t *testing.T) {
		for name, data := range all {
			switch {
			case strings.HasSuffix(name, ".tar.gz"):
				checkArchive(t, name, untar(t, data), "bodkin", "man/bodkin.1", "man/bodkin-send.1",
					"completion/bodkin.bash", "completion/_bodkin", "completion/bodkin.fish")
			case strings.HasSuffix(name, ".zip"):
				checkArchive(t, name, unzip(t, data), "bodkin.exe", "completion/bodkin.ps1")
			}
		}
	})
	t.Run("does not name the machine that built it", func(t *testing.T) {
		for name, data := range all {
			if filepath.Ext(name) == ".rpm" && !bytes.Contains(data, []byte("reproducible\x00")) {
				t.Errorf("%s has the name of a host", name)
			}
		}
	})
	t.Run("has the same bytes when it is built elsewhere by somebody careful", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		clone(t, filepath.Join(t.TempDir(), "another", "place"))
		defer syscall.Umask(syscall.Umask(0o077))
		if err := run(out, true, []string{"linux/arm64"}); err != nil {
			t.Fatal(err)
		}
		again := built(t, out)
		if delete(again, "SHA256SUMS"); len(again) != 3 { // archive, deb, rpm
			t.Errorf("built %d files, want 3", len(again))
		}
		for name, data := range again {
			if !bytes.Equal(all[name], data) {
				t.Errorf("%s differs", name)
			}
		}
	})
}

// TestGoInstallCanFetchTheModule knows what keeps `go install ...@latest` from working: a replacement in go.mod, and a module that has grown large.
//
// Seen to fail: with a replace directive, and with a bound of a megabyte.
func TestGoInstallCanFetchTheModule(t *testing.T) {
	t.Chdir("../..")
	text, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Replace, Exclude []any }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Replace)+len(file.Exclude) > 0 {
		t.Errorf("go.mod replaces %v and excludes %v: only a main module may", file.Replace, file.Exclude)
	}
	archive, err := exec.Command("git", "archive", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(archive) > 16<<20 {
		t.Errorf("the module is %d bytes large", len(archive))
	}
}

// checkArchive wants some files, and a program that tells its commit and nothing of the machine that built it.
func checkArchive(t *testing.T, name string, files map[string][]byte, want ...string) {
	t.Helper()
	for _, w := range append(want, "LICENSE", "README.md", "README.zh-CN.md", "THIRD-PARTY-LICENSES") {
		if len(files[w]) == 0 {
			t.Errorf("%s has no %s", name, w)
		}
	}
	program := files[want[0]]
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["CGO_ENABLED"] != "0" || settings["-trimpath"] != "true" || settings["vcs.modified"] != "false" || len(settings["vcs.revision"]) != 40 {
		t.Errorf("%s was built with %v", name, settings)
	}
	if i := bytes.Index(program, []byte(filepath.Join(os.TempDir(), "Test"))); i >= 0 {
		t.Errorf("%s has a path of this machine: %q", name, program[i:i+60])
	}
}

func untar(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(header.Name, "/")
		if files[name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func unzip(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(f.Name, "/")
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	return files
}
