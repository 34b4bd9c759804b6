package relay

import (
	"sync"
	"time"
)

// accountsMax bounds a book: 2^18 accounts are some 30 MiB.
const accountsMax = 1 << 18

// An account is what one node, or one room, has of the relay.
type account struct {
	waiting, pairs int // guarded by Server.mu

	mu   sync.Mutex
	used int64 // bytes in this period
	rate bucket
}

// A book is the accounts of all nodes, or of all rooms. Server.mu guards the map.
type book struct {
	bytes     int64 // of an account in a period
	perSecond int64
	accounts  map[uint64]*account
}

func newBook(bytes, perSecond int64) *book {
	return &book{bytes: bytes, perSecond: perSecond, accounts: map[uint64]*account{}}
}

// of returns the account of a node or room, nil if there are too many.
func (b *book) of(number uint64) *account {
	a := b.accounts[number]
	if a == nil && len(b.accounts) < accountsMax {
		a = &account{}
		b.accounts[number] = a
	}
	return a
}

// begin starts a period: what is used by nobody is forgotten.
func (b *book) begin() {
	for number, a := range b.accounts {
		a.mu.Lock()
		a.used = 0
		a.mu.Unlock()
		if a.waiting == 0 && a.pairs == 0 {
			delete(b.accounts, number)
		}
	}
}

// spent tells whether a has no bytes left.
func (b *book) spent(a *account) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used >= b.bytes
}

// charge books n bytes that were carried, and tells how long to wait before the next.
func (b *book) charge(a *account, n int64, now time.Duration) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used += n
	return a.rate.take(float64(n), float64(b.perSecond), now)
}

// A bucket holds a rate, afterwards: it takes whatever was carried, and tells how long to rest for it. All pairs that share it
// rest, so together they keep to the rate. A quarter of a second's worth is free, so that few bytes never wait.
type bucket struct {
	debt float64
	at   time.Duration
}

func (b *bucket) take(n, perSecond float64, now time.Duration) (wait time.Duration) {
	b.debt = max(0, b.debt-perSecond*(now-b.at).Seconds()) + n
	b.at = now
	over := b.debt - perSecond/4
	if over <= 0 {
		return 0
	}
	return time.Duration(over / perSecond * float64(time.Second))
}
