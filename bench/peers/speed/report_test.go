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
	if got, want := cells(o, 1), []cell{{"bodkin", 1}, {"tls", 1}, {"bodkin", 100}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRatiosAreToBareTLSOfTheSameRound(t *testing.T) {
	var r report
	for _, speeds := range [][2]float64{{100, 110}, {50, 40}, {200, 200}} {
		r.add(cell{"tls", 1}, result{speed: speeds[0]})
		r.add(cell{"bodkin", 1}, result{speed: speeds[1]})
	}
	var text strings.Builder
	r.print(&text)
	if !strings.Contains(text.String(), "| bodkin, 1 | 110 (40–200) | 1.00 (0.80–1.10) |") {
		t.Error(text.String())
	}
}
