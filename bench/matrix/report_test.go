package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPictureIsWellFormedAndHasEveryPair(t *testing.T) {
	pairs, err := choosePairs(boxes(), "*:*")
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReport(options{Runs: 1}, pairs)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		r.Cells = append(r.Cells, summarize(p, []run{of("direct", 141, 1), of("relayed", 300, 1)}, r.Options))
	}
	var svg bytes.Buffer
	if err := r.draw(&svg); err != nil {
		t.Fatal(err)
	}
	text := svg.String()
	for d := xml.NewDecoder(&svg); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range pairs {
		if !strings.Contains(text, "<title>"+p.String()+" ") {
			t.Errorf("%v is missing", p)
		}
	}
}

func TestARunGoesOnWhereAnotherEnded(t *testing.T) {
	pairs, err := choosePairs(boxes(), "linux,public")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "run.json")
	o := options{Runs: 2, json: file}
	first, err := newReport(o, pairs)
	if err != nil {
		t.Fatal(err)
	}
	done := of("direct", 141, 1)
	done.Near, done.Far = pairs[0].near.name, pairs[0].far.name
	first.add(pairs[0], done, o)
	if err := first.publish(o); err != nil {
		t.Fatal(err)
	}
	o.resume = file
	second, err := newReport(o, pairs)
	if err != nil {
		t.Fatal(err)
	}
	if got := second.unmarked(pairs[0]); got != 1 {
		t.Errorf("%d runs were taken over, want 1", got)
	}
	o.NoUDP = true
	if _, err := newReport(o, pairs); err == nil {
		t.Error("runs of other conditions were taken over")
	}
}

func TestTablesNameWhatFailed(t *testing.T) {
	p := pair{boxNamed(t, "linux"), boxNamed(t, "public")}
	r, err := newReport(options{Runs: 1}, []pair{p})
	if err != nil {
		t.Fatal(err)
	}
	r.Cells = []cell{summarize(p, []run{of("relayed", 300, 1)}, r.Options)}
	var text strings.Builder
	if err := r.writeTables(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "- FAIL linux:public: direct 0 of 1") {
		t.Errorf("got\n%s", &text)
	}
	if err := r.verdict(); err == nil {
		t.Error("the verdict is good")
	}
}
