package main

import (
	"testing"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/transfer"
)

func TestColumnsAreCountedAsTerminalsShowThem(t *testing.T) {
	cases := []struct {
		text  string
		cells int
		in5   string
	}{
		{"", 0, ""},
		{"photo", 5, "photo"},
		{"photos", 6, "phot…"},
		{"照片", 4, "照片"},
		{"照片集", 6, "照片…"},
		{"a照片集", 7, "a照…"},
		{"u\u0308ber", 4, "u\u0308ber"},    // the dots are a character of their own
		{"u\u0308bers!", 6, "u\u0308ber…"}, // and stay with theirs
		{"ｗｉｄｅ", 8, "ｗｉ…"},
		{"🙂🙂🙂", 6, "🙂🙂…"},
	}
	for _, c := range cases {
		if got := cells(c.text); got != c.cells {
			t.Errorf("cells(%q) = %d, want %d", c.text, got, c.cells)
		}
		if got := shorten(c.text, 5); got != c.in5 || cells(got) > 5 {
			t.Errorf("shorten(%q, 5) = %q, want %q", c.text, got, c.in5)
		}
	}
	if got := shorten("photo", 0); got != "" {
		t.Errorf("in no column: %q", got)
	}
}

func TestProgressFitsIntoTheTerminal(t *testing.T) {
	r := transfer.Reading{Started: true, Files: 1, Bytes: 250e6,
		Offer: transfer.Offer{Names: []string{"photos", "写真のフォルダー"}, Files: 3, Bytes: 1e9}}
	path := bodkin.Path{Kind: bodkin.Direct}
	cases := []struct {
		width int
		want  string
	}{
		{90, "photos, 写真のフォルダー  25% of 1.0 GB  1 of 3 files  50.0 MB/s  0:15 left  direct"},
		{79, "photos, 写真のフォ…  25% of 1.0 GB  1 of 3 files  50.0 MB/s  0:15 left  direct"},
		{60, "photos, 写真の…  25% of 1.0 GB  50.0 MB/s  0:15 left  direct"},
		{40, "photos, 写真…  25% of 1.0 GB  0:15 left"},
		{20, "phot…  25% of 1.0 GB"},
		{10, "25% of 1.…"},
	}
	for _, c := range cases {
		got := progressLine(r, 50e6, path, c.width)
		if got != c.want {
			t.Errorf("in %d columns: %q, want %q", c.width, got, c.want)
		}
		if cells(got) > c.width {
			t.Errorf("in %d columns: %q takes %d", c.width, got, cells(got))
		}
	}
	r.Offer = transfer.Offer{Names: []string{"stdin"}, Stream: true}
	if got, want := progressLine(r, 50e6, path, 79), "stdin  250.0 MB  50.0 MB/s  direct"; got != want {
		t.Errorf("of a stream: %q, want %q", got, want)
	}
	r = transfer.Reading{Started: true, Files: 2, Offer: transfer.Offer{Names: []string{"empty"}, Files: 5}}
	if got, want := progressLine(r, 0, path, 79), "empty  2 of 5 files  direct"; got != want {
		t.Errorf("of empty files: %q, want %q", got, want)
	}
}
