// Cast plays what a new user does, from nothing to a file delivered, and prints it as the text that README.md and README.zh-CN.md show.
//
//	go run ./bench/cast              play it, print it
//	go run ./bench/cast -write       and put it into both of them
//
// The machines are natlab's: a server that both can reach, and two that are behind a NAT each, with the delays of three cities. Each has a
// terminal and an empty home, and what is shown is what stood on the terminal in the end. Only invites are shortened, to "bodkin1...". It
// needs Linux but no root.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/bodkin-p2p/bodkin/bench"
)

// photoSize is the size of a photo.
const photoSize = 4 << 20

// readmes are the files that show the cast, seen from the root of the repository.
var readmes = []string{"README.md", "README.zh-CN.md"}

func main() {
	write := flag.Bool("write", false, "put the text into README.md and README.zh-CN.md of the current directory")
	flag.Parse()
	bench.Main("cast", func(ctx context.Context) error { return run(ctx, *write) })
}

func run(ctx context.Context, write bool) error {
	dir, err := os.MkdirTemp("", "bodkin-cast-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	text, err := play(ctx, dir, photoSize)
	if err != nil {
		return err
	}
	fmt.Print(text)
	if !write {
		return nil
	}
	for _, name := range readmes {
		if err := replace(name, text); err != nil {
			return err
		}
	}
	return nil
}
