package server

import (
	"sync"
	"sync/atomic"
)

// tableShards is how many parts the table of connections has. The sweep goes through one part at a time.
const tableShards = 64

// A table is all connections by number. Numbers are never used twice.
type table struct {
	shards [tableShards]struct {
		mu    sync.Mutex
		conns map[uint64]*conn
	}
	last atomic.Uint64
	size atomic.Int64
}

// add numbers c and takes it up.
func (t *table) add(c *conn) {
	c.number = t.last.Add(1)
	shard := &t.shards[c.number%tableShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.conns == nil {
		shard.conns = map[uint64]*conn{}
	}
	shard.conns[c.number] = c
	t.size.Add(1)
}

func (t *table) remove(c *conn) {
	shard := &t.shards[c.number%tableShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	delete(shard.conns, c.number)
	t.size.Add(-1)
}

// find returns nil if there is no connection of that number any more.
func (t *table) find(number uint64) *conn {
	shard := &t.shards[number%tableShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return shard.conns[number]
}

// part appends the connections of one shard to list.
func (t *table) part(i int, list []*conn) []*conn {
	shard := &t.shards[i%tableShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	for _, c := range shard.conns {
		list = append(list, c)
	}
	return list
}

func (t *table) count() int { return int(t.size.Load()) }
