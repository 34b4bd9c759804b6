package netspace

import (
	"errors"
	"testing"
)

func TestASpaceRunsWhatOpensAndTheNilOneIsHere(t *testing.T) {
	opened, failed := 0, errors.New("no socket")
	open := func() error { opened++; return failed }
	if err := Space(nil).Do(open); err != failed || opened != 1 {
		t.Errorf("here: opened %d times, %v", opened, err)
	}
	entered := 0
	elsewhere := Space(func(open func() error) error { entered++; return open() })
	if err := elsewhere.Do(open); err != failed || opened != 2 || entered != 1 {
		t.Errorf("elsewhere: opened %d times, entered %d times, %v", opened, entered, err)
	}
}
