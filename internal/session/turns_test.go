package session

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// play has writers that want so many bytes again and again take turns, and counts what each got.
func play(t *testing.T, wants []int, rounds int) []int {
	t.Helper()
	var all turns
	got := make([]int, len(wants))
	of := map[*turn]int{}
	writers := make([]turn, len(wants))
	for i := range writers {
		of[&writers[i]] = i
		all.ask(&writers[i], wants[i])
	}
	for range rounds {
		w := all.grant(1 << 20)
		if w == nil {
			t.Fatal("nobody has a turn")
		}
		if w.granted > mostTurn {
			t.Fatalf("%d bytes are granted at once", w.granted)
		}
		got[of[w]] += w.granted
		all.use(w)
		all.ask(w, wants[of[w]])
	}
	return got
}

func TestWritersThatAlwaysWriteHaveTurnsInEqualNumber(t *testing.T) {
	wants := make([]int, 1000)
	for i := range wants {
		wants[i] = 16 << 10
	}
	for i, n := range play(t, wants, 100_000) {
		if n < 90*16<<10 || n > 110*16<<10 { // while they were new, the first of them had a turn more
			t.Fatalf("writer %d got %d bytes in 100,000 turns of 1,000", i, n)
		}
	}
}

func TestWhoWritesInPiecesGetsAsMuchAsWhoWritesAtOnce(t *testing.T) {
	got := play(t, []int{1 << 20, 16<<10 + headerSize, 8<<10 + headerSize}, 13*100)
	for _, n := range got {
		if n < 95*dataSize || n > 105*wholeTurn {
			t.Errorf("got %v in 100 turns each", got)
		}
	}
}

func TestAWriterGoesOnWithItsTurnWhileThereIsRoom(t *testing.T) {
	const piece = 16<<10 + headerSize
	var all turns
	var w, other turn
	for _, w := range []*turn{&w, &other} {
		all.ask(w, piece)
	}
	if all.grant(1<<20) != &w {
		t.Fatal("the first has no turn")
	}
	all.use(&w)
	for i := range 3 {
		if all.goOn(&w, piece, piece-1) {
			t.Fatal("goes on without room")
		}
		if !all.goOn(&w, piece, piece) {
			t.Fatalf("does not go on behind %d pieces", 1+i)
		}
		all.use(&w)
	}
	if all.goOn(&w, piece, 1<<20) {
		t.Error("goes on behind the end of its turn")
	}
	all.ask(&w, piece)
	if all.grant(1<<20) != &other {
		t.Error("the other has no turn")
	}
}

func TestManyWhoBeginAtOnceGoOnWithTheirTurns(t *testing.T) {
	const piece, room = 16<<10 + headerSize, 1 << 20
	random := rand.New(rand.NewPCG(7, 8))
	var all turns
	of := map[*turn]int{} // pieces of each
	for range 1000 {
		w := new(turn)
		of[w] = 0
		all.ask(w, piece)
	}
	var writing []*turn // a goroutine that was woken writes a little later
	grant := func() {
		for w := all.grant(room); w != nil; w = all.grant(room) {
			writing = append(writing, w)
		}
	}
	asked := 0
	for range 200_000 {
		grant()
		i := random.IntN(len(writing))
		w := writing[i]
		writing = slices.Delete(writing, i, i+1)
		all.use(w)
		grant() // while the piece is copied
		of[w]++
		if all.goOn(w, piece, room) {
			writing = append(writing, w)
			continue
		}
		all.ask(w, piece)
		asked++
	}
	if asked > 60_000 { // of a turn's four pieces one is asked for
		t.Errorf("%d of 200,000 pieces were waited for", asked)
	}
	for _, n := range of {
		if n < 180 || n > 220 {
			t.Fatalf("one wrote %d pieces in 200 rounds of a thousand", n)
		}
	}
}

func TestOnlyAPartOfTheRoomIsGrantedAtOnce(t *testing.T) {
	var all turns
	writers := make([]turn, 100)
	for i := range writers {
		all.ask(&writers[i], 16<<10)
	}
	for all.grant(1<<20) != nil {
	}
	if all.promised != 256<<10 {
		t.Errorf("%d bytes of 1 MiB are granted", all.promised)
	}
}

func TestWhoComesWithLittleWaitsForOneTurn(t *testing.T) {
	var all turns
	busy := make([]turn, 100)
	for i := range busy {
		all.ask(&busy[i], mostTurn)
	}
	again := func() {
		w := all.grant(1 << 20)
		all.use(w)
		all.ask(w, mostTurn)
	}
	for range 250 {
		again()
	}
	var small turn
	for range 20 {
		all.ask(&small, 100)
		if w := all.grant(1 << 20); w != &small {
			all.use(w)
			all.ask(w, mostTurn)
			if w = all.grant(1 << 20); w != &small {
				t.Fatal("it waits for more than one turn")
			}
		}
		all.use(&small)
		for range 101 { // it pauses until its place has come up
			again()
		}
	}
}

func TestNewcomersWithoutEndLeaveTheOthersTheirTurns(t *testing.T) {
	var all turns
	var busy turn
	all.ask(&busy, mostTurn)
	all.use(all.grant(1 << 20))
	all.ask(&busy, mostTurn)
	turnsOfBusy := 0
	for range 170 {
		fresh := new(turn)
		all.ask(fresh, 100)
		w := all.grant(1 << 20)
		all.use(w)
		if w == &busy {
			turnsOfBusy++
			all.ask(w, mostTurn)
			all.quit(fresh)
			continue
		}
		all.quit(w)
	}
	if turnsOfBusy < 9 {
		t.Errorf("it had %d of 10 turns", turnsOfBusy)
	}
}

func TestTurnsThatAreGivenUpLeaveNothingBehind(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var all turns
	writers := make([]turn, 20)
	for range 100_000 {
		w := &writers[random.IntN(len(writers))]
		switch {
		case random.IntN(3) == 0:
			all.quit(w)
		case w.granted > 0:
			all.use(w)
		case w.want == 0:
			all.ask(w, 1+random.IntN(2*mostTurn))
		default:
			room := random.IntN(1 << 20)
			promised := all.promised
			if w := all.grant(room); w != nil && (w.granted > room-promised || w.granted == 0) {
				t.Fatalf("granted %d of %d, %d promised", w.granted, room, promised)
			}
		}
	}
	for i := range writers {
		all.quit(&writers[i])
	}
	if all.promised != 0 || all.waiting != 0 || all.fresh.first() != nil || all.now().first() != nil || all.later().first() != nil {
		t.Errorf("%d bytes are promised, %d wait, and places are kept: %+v", all.promised, all.waiting, all)
	}
}
