//go:build psql

package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPsqlOverBodkin has PostgreSQL's psql ask a real server by bodkin forward, with the rendezvous server killed meanwhile and the path
// reset in the middle of what is copied. It is not part of the suite, which would have to install PostgreSQL for it:
//
//	NATLAB=require go test -tags psql -v -run Psql ./cmd/bodkin
func TestPsqlOverBodkin(t *testing.T) {
	t.Parallel()
	programs, err := filepath.Glob("/usr/lib/postgresql/*/bin") // where Debian has them
	check(t, err)
	if len(programs) == 0 {
		t.Fatal("there is no PostgreSQL server: apt-get install postgresql")
	}
	bin := programs[len(programs)-1]
	o := newOffice(t, "psql", "setpriv", "chown")
	// The server refuses to be root; nobody owns its files, and can get there.
	data := o.path("postgres")
	check(t, os.Mkdir(data, 0o700))
	for dir := o.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		check(t, err)
		check(t, os.Chmod(dir, info.Mode().Perm()|fs.FileMode(0o711)))
	}
	nobody := []string{"--reuid", "nobody", "--regid", "nogroup", "--clear-groups"}
	as := func(name string, args ...string) []string {
		return append(append(nobody[:len(nobody):len(nobody)], filepath.Join(bin, name)), args...)
	}
	o.run(o.tools["chown"], "nobody:nogroup", data)
	o.run(o.tools["setpriv"], as("initdb", "-D", data, "-U", "ada", "-A", "trust", "--no-sync")...)
	o.start(o.ben, "database system is ready to accept connections", o.tools["setpriv"],
		as("postgres", "-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")...)
	onHost(t, o.ben, "^ben is up", "--home", o.path("ben"), "up", "--expose", "db=127.0.0.1:5432")
	onHost(t, o.ada, "^ada is up", "--home", o.path("ada"), "up")
	forward := onHost(t, o.ada, "leads to db of ben", "--home", o.path("ada"), "forward", "0:ben:db")
	text, _ := forward.output.now()
	port := regexp.MustCompile(`(?m)^127.0.0.1:(\d+) leads`).FindStringSubmatch(text)[1]
	psql := func(args ...string) []string {
		return append([]string{"-h", "127.0.0.1", "-p", port, "-U", "ada", "-d", "postgres", "-X", "-v", "ON_ERROR_STOP=1", "-At"}, args...)
	}

	o.run(o.tools["psql"], psql("-c", "create table numbers as select n, md5(n::text) as sum from generate_series(1, 50000) n")...)
	session := o.start(o.ada, "", o.tools["psql"], psql()...)
	shell := &login{session, t}
	shell.say("select count(*), sum(n) from numbers;", `^50000\|1250025000$`)
	shell.say("begin; update numbers set n = n + 1; select 'updated ' || sum(n) from numbers;", "^updated 1250075000$")
	o.reset()
	shell.say("rollback; select 'back ' || sum(n) from numbers;", "^back 1250025000$")
	check(t, o.server.cmd.Process.Kill())
	<-o.server.ended
	shell.say("select 'without the server ' || count(*) from numbers;", "^without the server 50000$")
	shell.say(`\q`, "")
	<-session.ended

	// A table there and back, and what psql says of a mistake.
	o.run(o.tools["psql"], psql("-c", `\copy numbers to '`+o.path("numbers")+`'`, "-c", "create table again (n int, sum text)", "-c", `\copy again from '`+o.path("numbers")+`'`)...)
	if got := strings.TrimSpace(o.run(o.tools["psql"], psql("-c", "select count(*) from (select * from numbers except select * from again) x")...)); got != "0" {
		t.Errorf("rows that did not come back as they were: %s", got)
	}
	if _, err := exec.LookPath("pg_dump"); err == nil {
		dump := o.run("pg_dump", "-h", "127.0.0.1", "-p", port, "-U", "ada", "-t", "again", "postgres")
		if !strings.Contains(dump, "PostgreSQL database dump complete") {
			t.Errorf("pg_dump ended with %q", dump[max(0, len(dump)-200):])
		}
	}
}
