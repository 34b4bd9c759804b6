package choice

import (
	"time"
)

// A mark is what the session had brought at a time.
type mark struct {
	at      time.Time
	moved   uint64
	pressed bool
}

// goodput is how many bytes a second the session brought since a time, and whether it had more to send nearly all the time.
func (j *Judge) goodput(since time.Time) (rate float64, pressed bool) {
	marks := j.marks
	for len(marks) > 0 && marks[0].at.Before(since) {
		marks = marks[1:]
	}
	if len(marks) < 3 {
		return 0, false
	}
	first, last, idle := marks[0], marks[len(marks)-1], 0
	for _, m := range marks {
		if !m.pressed {
			idle++
		}
	}
	return float64(last.moved-first.moved) / last.at.Sub(first.at).Seconds(), idle <= len(marks)/5
}

// failed tells, when it is time to, whether the relay was used in vain: the session could send more, and got no more through.
func (j *Judge) failed(r Reading) bool {
	if j.had == 0 || r.Now.Sub(j.trial) < trialTime {
		return false
	}
	had := j.had
	j.had = 0
	rate, pressed := j.goodput(j.trial.Add(settle))
	return pressed && rate < trialGain*had && j.tracks[j.from] != nil
}
