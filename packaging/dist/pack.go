package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nfpm makes packages; the go command fetches and builds it.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

// A placed file is one of a package.
type placed struct {
	path string
	mode os.FileMode
	data []byte
}

// pack makes the packages of a program for Linux, in out. What stands in them besides files is in packaging/nfpm.yaml.
func (r *release) pack(t target, program, work, out string) error {
	for _, packager := range []string{"deb", "rpm"} {
		root := filepath.Join(work, packager+"-"+t.arch)
		if err := r.layOut(root, program, packager); err != nil {
			return err
		}
		cmd := exec.Command("go", "run", nfpm, "package", "-f", "packaging/nfpm.yaml", "-p", packager, "-t", out)
		cmd.Env = append(os.Environ(), "GOFLAGS=", "BODKIN_ROOT="+root, "BODKIN_ARCH="+t.arch, "BODKIN_VERSION="+packageVersion(r.version),
			fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.at.Unix()))
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nfpm: %w\n%s", err, text)
		}
	}
	return nil
}

// layOut writes the files of a package below root.
func (r *release) layOut(root, program, packager string) error {
	files, err := r.layout(program, packager)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(root, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, f.mode); err != nil {
			return err
		}
		if err := os.Chmod(path, f.mode); err != nil {
			return err
		}
	}
	return filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
				return err
			}
		}
		return os.Chtimes(path, r.at, r.at)
	})
}

// packageVersion is a version of Go as Debian and RPM order it: what comes before a release sorts before it.
func packageVersion(version string) string {
	version = strings.Replace(version, "-", "~", 1)
	return strings.ReplaceAll(version, "-", ".")
}

// layout says where each file of a package goes (FHS 3.0, and what Debian and Fedora make of it).
func (r *release) layout(program, packager string) ([]placed, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	files := []placed{{"usr/bin/bodkin", 0o755, data}}
	places := map[string]string{
		"systemd/bodkin.service":        "usr/lib/systemd/system/bodkin.service",
		"systemd/bodkin-server.service": "usr/lib/systemd/system/bodkin-server.service",
		"systemd/user/bodkin.service":   "usr/lib/systemd/user/bodkin.service",
		"systemd/sysusers.conf":         "usr/lib/sysusers.d/bodkin.conf",
		"systemd/tmpfiles.conf":         "usr/lib/tmpfiles.d/bodkin.conf",
	}
	zsh := "usr/share/zsh/site-functions/"
	if packager == "deb" {
		places["debian/copyright"] = "usr/share/doc/bodkin/copyright"
		places["debian/lintian-overrides"] = "usr/share/lintian/overrides/bodkin"
		zsh = "usr/share/zsh/vendor-completions/"
	}
	for from, to := range places {
		data, err := os.ReadFile(filepath.Join("packaging", from))
		if err != nil {
			return nil, err
		}
		files = append(files, placed{to, 0o644, data})
	}
	for _, d := range r.documents {
		name := filepath.Base(d.name)
		switch {
		case strings.HasPrefix(d.name, "man/"):
			files = append(files, placed{"usr/share/man/man1/" + name + ".gz", 0o644, zipped(d.data)})
		case name == completions["bash"]:
			files = append(files, placed{"usr/share/bash-completion/completions/bodkin", 0o644, d.data})
		case name == completions["zsh"]:
			files = append(files, placed{zsh + name, 0o644, d.data})
		case name == completions["fish"]:
			files = append(files, placed{"usr/share/fish/vendor_completions.d/bodkin.fish", 0o644, d.data})
		case name == "LICENSE" && packager == "rpm":
			files = append(files, placed{"usr/share/licenses/bodkin/" + name, 0o644, d.data})
		case name == "README.md" || name == "README.zh-CN.md":
			files = append(files, placed{"usr/share/doc/bodkin/" + name, 0o644, d.data})
		case name == thirdParty:
			files = append(files, placed{"usr/share/doc/bodkin/" + name + ".gz", 0o644, zipped(d.data)})
		}
	}
	changes := fmt.Sprintf("bodkin (%s) unstable; urgency=medium\n\n  * Built from commit %s.\n\n -- Bodkin <bodkin@example.org>  %s\n",
		packageVersion(r.version), r.commit, r.at.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	return append(files, placed{"usr/share/doc/bodkin/changelog.gz", 0o644, zipped([]byte(changes))}), nil
}

// zipped is data as gzip -9n packs it: without a name and a time.
func zipped(data []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // fails for unknown levels only
	w.Write(data)                                           // into memory: cannot fail
	w.Close()
	return out.Bytes()
}
