module github.com/bodkin-p2p/bodkin

go 1.26
