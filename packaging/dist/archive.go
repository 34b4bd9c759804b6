package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A bundle is an archive that is being written.
type bundle interface {
	put(name string, mode int64, data []byte) error
	Close() error
}

// archive writes the program and the documents into an archive in out, as each system's people expect it.
func (r *release) archive(t target, program, out string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("bodkin_%s_%s_%s", r.version, t.os, t.arch)
	suffix := ".tar.gz"
	if t.os == "windows" {
		suffix = ".zip"
	}
	f, err := os.Create(filepath.Join(out, name+suffix))
	if err != nil {
		return err
	}
	defer f.Close()
	var b bundle = r.zip(f)
	if t.os != "windows" {
		b = r.tar(f)
	}
	if err := b.put(name+"/"+t.program(), 0o755, data); err != nil {
		return err
	}
	for _, d := range r.documents {
		if strings.HasPrefix(d.name, "man/") && t.os == "windows" {
			continue
		}
		if err := b.put(name+"/"+d.name, 0o644, d.data); err != nil {
			return err
		}
	}
	if err := b.Close(); err != nil {
		return err
	}
	return f.Close()
}

type tarBundle struct {
	*tar.Writer
	packer  *gzip.Writer
	release *release
}

func (r *release) tar(w io.Writer) tarBundle {
	packer := gzip.NewWriter(w) // the best level takes twice the time and saves half a percent
	return tarBundle{tar.NewWriter(packer), packer, r}
}

func (b tarBundle) put(name string, mode int64, data []byte) error {
	header := &tar.Header{Name: name, Mode: mode, Size: int64(len(data)), ModTime: b.release.at, Format: tar.FormatPAX}
	if err := b.WriteHeader(header); err != nil {
		return err
	}
	_, err := b.Write(data)
	return err
}

func (b tarBundle) Close() error { return cmp.Or(b.Writer.Close(), b.packer.Close()) }

type zipBundle struct {
	*zip.Writer
	release *release
}

func (r *release) zip(w io.Writer) zipBundle { return zipBundle{zip.NewWriter(w), r} }

func (b zipBundle) put(name string, mode int64, data []byte) error {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.release.at.UTC()}
	header.SetMode(os.FileMode(mode))
	w, err := b.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// sum writes the checksums of the files in dir into one more, SHA256SUMS, and to w.
func sum(dir string, w io.Writer) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	if _, err := io.WriteString(w, list.String()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(list.String()), 0o644)
}
