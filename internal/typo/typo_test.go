package typo

import (
	"slices"
	"testing"
)

func TestWhoWasMeantIsFound(t *testing.T) {
	room := []string{"ada", "ben", "benjamin", "build-server", "eve", "laptop"}
	cases := []struct {
		typed string
		want  []string
	}{
		{"bne", []string{"ben"}},            // two letters changed places
		{"be", []string{"ben", "benjamin"}}, // one is missing, or several
		{"bens", []string{"ben"}},
		{"lapotp", []string{"laptop"}},
		{"buildserver", []string{"build-server"}},
		{"LAPTPO", []string{"laptop"}},
		{"eva", []string{"eve"}},
		{"x", nil},
		{"", nil},
		{"zzz", nil},
		{"carl", nil},
	}
	for _, c := range cases {
		if got := Nearest(c.typed, room); !slices.Equal(got, c.want) {
			t.Errorf("Nearest(%q) = %q, want %q", c.typed, got, c.want)
		}
	}
	many := []string{"n1", "n2", "n3", "n4"}
	if got := Nearest("n0", many); len(got) != 3 {
		t.Errorf("of four equally near, %q: want three", got)
	}
}
