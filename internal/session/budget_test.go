package session

import "testing"

func TestWindowsGrowWithinTheBudgetOfTheSession(t *testing.T) {
	const growth = 128 // any priority but that of a first window
	b := newBudget(100)
	one, _ := b.share()
	two, _ := b.share()
	for _, step := range []struct {
		what string
		do   func() error
		fits bool
	}{
		{"a first window is no growth", func() error { return one.ReserveMemory(1000, firstWindow) }, true},
		{"60 of 100", func() error { return one.ReserveMemory(60, growth) }, true},
		{"41 of the other 40", func() error { return two.ReserveMemory(41, growth) }, false},
		{"40 of the other 40", func() error { return two.ReserveMemory(40, growth) }, true},
		{"1 of none", func() error { return one.ReserveMemory(1, growth) }, false},
		{"60 after a stream's end", func() error { one.Done(); return two.ReserveMemory(60, growth) }, true},
		{"growth after the end", func() error { return one.ReserveMemory(0, growth) }, false},
		{"a stream ends once", func() error { one.Done(); return two.ReserveMemory(1, growth) }, false},
	} {
		if err := step.do(); (err == nil) != step.fits {
			t.Errorf("%s: %v", step.what, err)
		}
	}
}
