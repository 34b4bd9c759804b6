package main

import (
	"slices"
	"testing"
)

func TestGroupsUseNoHostTwiceAndLeaveNoPairOut(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	seen := map[pair]int{}
	for _, group := range diagonals(names) {
		if len(disjoint(group)) != 1 {
			t.Errorf("group %v shares a host", group)
		}
		for _, p := range group {
			seen[p]++
		}
	}
	for _, near := range names {
		for _, far := range names {
			if n := seen[pair{near, far}]; n != 1 {
				t.Errorf("%s to %s: %d times, want once", near, far, n)
			}
		}
	}
}

func TestPairsAreChosenInBothDirections(t *testing.T) {
	all := []box{{name: "a"}, {name: "b"}, {name: "c"}}
	for _, test := range []struct {
		text string
		want []pair
		bad  bool
	}{
		{text: "a:b", want: []pair{{"a", "b"}, {"b", "a"}}},
		{text: "a:a,c:c", want: []pair{{"a", "a"}, {"c", "c"}}},
		{text: "a:*", want: []pair{{"a", "a"}, {"a", "b"}, {"a", "c"}, {"b", "a"}, {"c", "a"}}},
		{text: "a:x", bad: true},
		{text: "a", bad: true},
		{text: "", bad: true},
	} {
		got, err := choosePairs(all, test.text)
		if (err != nil) != test.bad {
			t.Errorf("%q: %v", test.text, err)
		}
		slices.SortFunc(got, func(p, q pair) int { return slices.Compare([]string{p.near, p.far}, []string{q.near, q.far}) })
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: got %v, want %v", test.text, got, test.want)
		}
	}
}

func TestAWatchTimesTheDialFromWhatBothSidesTell(t *testing.T) {
	const ms = 1_000_000
	type said struct {
		callee bool
		notice notice
	}
	for _, test := range []struct {
		name string
		said []said
		want outcome
	}{
		{"a dial that is direct at once", []said{
			{notice: notice{Kind: evDialing, At: 100 * ms}}, {notice: notice{Kind: evDirect, At: 250 * ms}},
		}, outcome{Direct: true, DirectMS: 150}},
		{"a punch counts from whoever began it", []said{
			{notice: notice{Kind: evDialing, At: 100 * ms}}, {notice: notice{Kind: evRelayed, At: 200 * ms}},
			{callee: true, notice: notice{Kind: evPunch, At: 310 * ms}}, {notice: notice{Kind: evPunch, At: 330 * ms}},
			{notice: notice{Kind: evDirect, At: 400 * ms}},
		}, outcome{Direct: true, DirectMS: 300, RelayedMS: 100, PunchMS: 90, Punches: 1}},
		{"a punch whose beginnings are read in the wrong order", []said{
			{notice: notice{Kind: evDialing, At: 100 * ms}}, {notice: notice{Kind: evPunch, At: 330 * ms}},
			{callee: true, notice: notice{Kind: evPunch, At: 310 * ms}}, {notice: notice{Kind: evDirect, At: 400 * ms}},
		}, outcome{Direct: true, DirectMS: 300, PunchMS: 90, Punches: 1}},
		{"the callee gives up", []said{
			{notice: notice{Kind: evDialing, At: 100 * ms}}, {callee: true, notice: notice{Kind: evEnded, Text: "no"}},
		}, outcome{Reason: "no"}},
		{"the last failure is told beside the end", []said{
			{notice: notice{Kind: evMissed, Text: "timeout"}}, {callee: true, notice: notice{Kind: evEnded, Text: "no"}},
		}, outcome{Reason: "no; timeout"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var w watch
			for _, s := range test.said {
				if s.callee {
					w.callee(s.notice, true)
				} else {
					w.caller(s.notice, true)
				}
			}
			var got outcome
			w.judge(&got)
			if !w.over || got != test.want {
				t.Errorf("over %v, got %+v, want %+v", w.over, got, test.want)
			}
		})
	}
}

func TestASummaryCountsTimesOfDirectRunsAndSYNsOfAll(t *testing.T) {
	s := summarise([]outcome{
		{Direct: true, DirectMS: 100, SYNs: 2}, {Direct: true, DirectMS: 300, PunchMS: 50, SYNs: 4}, {SYNs: 30, Strangers: 1},
	})
	if s.share() != "2/3" || number(s.direct) != "200" || number(s.punch) != "50" || number(s.syns) != "4" || s.strangers != 1 {
		t.Errorf("got %+v", s)
	}
}
