package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestResultCountsBothProcessesOverTheReceiversTime(t *testing.T) {
	sent := account{Time: 4 * time.Second, CPU: 2 * time.Second}
	got := account{Time: 2 * time.Second, CPU: time.Second, Bytes: []int64{1 << 29, 3 << 29}}
	want := result{speed: 1024, cpu: 1, sending: 0.5, shares: 3}
	if r := judge(sent, got); r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
}

func TestEveryRoundHasEveryCellAndBeginsWithAnother(t *testing.T) {
	o := options{contestants: []string{"tls", "bodkin"}, streams: []int{1, 100}}
	if got, want := cells(o, 1), []cell{{"bodkin", 1, ""}, {"tls", 1, ""}, {"bodkin", 100, ""}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRatiosAreToBareTLSOfTheSameRound(t *testing.T) {
	var r report
	for _, speeds := range [][2]float64{{100, 110}, {50, 40}, {200, 200}} {
		r.add(cell{"tls", 1, ""}, result{speed: speeds[0]})
		r.add(cell{"bodkin", 1, ""}, result{speed: speeds[1]})
	}
	var text strings.Builder
	r.print(&text)
	if !strings.Contains(text.String(), "| bodkin, 1 | 110 (40–200) | 1.00 (0.80–1.10) |") {
		t.Error(text.String())
	}
}

func TestOtherVersionsTakeTurnsAsBodkinAlone(t *testing.T) {
	o := options{contestants: []string{"tls", "bodkin"}, streams: []int{1, 100}, beside: []string{"old"}}
	want := []cell{{"bodkin", 1, "old"}, {"tls", 1, ""}, {"bodkin", 1, ""}, {"bodkin", 100, "old"}, {"bodkin", 100, ""}}
	if got := cells(o, 2); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestVersionsAndNumbersOfStreamsAreComparedByTurnsOfTheSameRound(t *testing.T) {
	var r report
	for _, speed := range []float64{100, 10} {
		r.add(cell{"bodkin", 1, ""}, result{speed: speed, cpu: 1})
		r.add(cell{"bodkin", 1, "/tmp/old"}, result{speed: speed / 2, cpu: 2})
		r.add(cell{"bodkin", 1000, ""}, result{speed: speed * 3 / 4, cpu: 1.5})
	}
	var text strings.Builder
	r.printPairs(&text)
	want := `
| beside each other | times the MiB/s | times the CPU s/GiB |
|---|---|---|
| bodkin, 1, to bodkin of old, 1 | 2.00 (2.00–2.00) | 0.50 (0.50–0.50) |
| bodkin, 1000, to bodkin, 1 | 0.75 (0.75–0.75) | 1.50 (1.50–1.50) |
`
	if text.String() != want {
		t.Errorf("got %s\nwant %s", text.String(), want)
	}
}
