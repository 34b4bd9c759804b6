package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/bodkin-p2p/bodkin/forward"
	"github.com/bodkin-p2p/bodkin/internal/settings"
)

// upFlags is what the flags of bodkin up say.
type upFlags struct {
	expose, socks, allow, forward []string
	receive                       string
}

// A plan is what a node serves: what bodkin up was told by its flags and by its file, of which the flags win.
type plan struct {
	services []exposure // each service once
	forwards []forwarding
}

// planOf makes the plan, or tells all that is wrong with the file, or the first thing that is wrong with the flags.
func planOf(flags upFlags, f *settings.File) (plan, error) {
	d := drafting{file: f, services: map[string]exposure{}, byFlag: map[string]bool{}}
	d.fromFile(flags)
	if err := d.fromFlags(flags); err != nil && d.problems == nil {
		return plan{}, err
	}
	d.allowFromFile()
	if d.problems != nil {
		return plan{}, d.problems.InOrder()
	}
	if err := d.allowFromFlags(flags.allow); err != nil {
		return plan{}, err
	}
	p := plan{forwards: d.forwards}
	for _, service := range slices.Sorted(maps.Keys(d.services)) {
		p.services = append(p.services, d.services[service])
	}
	return p, nil
}

// drafting is a plan that is being made.
type drafting struct {
	file     *settings.File
	services map[string]exposure
	byFlag   map[string]bool // which services flags have offered
	forwards []forwarding
	problems settings.Problems
}

// offer takes a service up, unless there is one of its name from the same source.
func (d *drafting) offer(e exposure, byFlag bool) error {
	if _, offered := d.services[e.service]; offered && d.byFlag[e.service] == byFlag {
		return misuse("give each a name of its own; socks and receive are taken by what is called so", "the service %q is offered twice", e.service)
	}
	d.services[e.service], d.byFlag[e.service] = e, byFlag
	return nil
}

func (d *drafting) problem(err error, path ...string) {
	told := explain(err)
	d.problems = append(d.problems, d.file.At(told.text, told.hint, path...))
}

// fromFile takes what the file offers and forwards, but for what flags say otherwise.
func (d *drafting) fromFile(flags upFlags) {
	for _, service := range slices.Sorted(maps.Keys(d.file.Expose)) {
		e, err := exposureOf(service, d.file.Expose[service])
		if err == nil {
			err = d.offer(e, false)
		}
		if err != nil {
			d.problem(err, "expose", service)
			d.services[service] = exposure{service: service} // so that allow has not to be told of too
		}
	}
	proxy := exposure{service: socksService, places: d.file.Socks}
	for i, text := range d.file.Socks {
		to, err := forward.ParseDestination(text)
		if err != nil {
			d.problem(err, "socks", strconv.Itoa(i))
		}
		proxy.socks = append(proxy.socks, to)
	}
	if proxy.socks != nil && flags.socks == nil {
		if err := d.offer(proxy, false); err != nil {
			d.problem(err, "socks")
		}
	}
	if dir := d.file.Receive; dir != nil && flags.receive == "" {
		if err := d.receive(*dir, false); err != nil {
			d.problem(err, "receive")
		}
	}
	for i, text := range d.file.Forward {
		to, err := parseForwarding(text)
		if err == nil && d.bound(to) {
			err = fmt.Errorf("%s is forwarded already", to.bind)
		}
		if err != nil {
			d.problem(err, "forward", strconv.Itoa(i))
			continue
		}
		d.forwards = append(d.forwards, to)
	}
}

// receive takes a directory for what is sent to this node.
func (d *drafting) receive(dir string, byFlag bool) error {
	switch info, err := os.Stat(dir); {
	case !byFlag && !filepath.IsAbs(dir):
		return misuse("begin with the root", "%q is not a whole path", dir)
	case err != nil || !info.IsDir():
		return misuse("make it first", "there is no directory %s", dir)
	}
	return d.offer(exposure{service: receiveService, dir: dir}, byFlag)
}

// bound tells whether a local port that is given is forwarded by something else.
func (d *drafting) bound(to forwarding) bool {
	return !to.anyPort() && slices.ContainsFunc(d.forwards, func(f forwarding) bool { return f.bind == to.bind })
}

func (d *drafting) fromFlags(flags upFlags) error {
	for _, text := range flags.expose {
		e, err := parseExpose(text)
		if err == nil {
			err = d.offer(e, true)
		}
		if err != nil {
			return err
		}
	}
	proxy := exposure{service: socksService, places: flags.socks}
	for _, text := range flags.socks {
		to, err := forward.ParseDestination(text)
		if err != nil {
			return misuse("for example --socks 'intranet.example.org:443', --socks '10.0.0.0/8:22' or --socks '*:*'", "--socks %s: %s", text, plain(err))
		}
		proxy.socks = append(proxy.socks, to)
	}
	if proxy.socks != nil {
		if err := d.offer(proxy, true); err != nil {
			return err
		}
	}
	if flags.receive != "" {
		if err := d.receive(flags.receive, true); err != nil {
			return err
		}
	}
	fromFile := d.forwards
	d.forwards = nil
	for _, text := range flags.forward {
		to, err := parseForwarding(text)
		if err == nil && d.bound(to) {
			err = misuse("give each of them a port of its own", "%s is forwarded twice", to.bind)
		}
		if err != nil {
			return err
		}
		d.forwards = append(d.forwards, to)
	}
	for _, to := range fromFile {
		if !d.bound(to) {
			d.forwards = append(d.forwards, to)
		}
	}
	return nil
}

// allowFromFile limits services to the peers that the file names.
func (d *drafting) allowFromFile() {
	for _, service := range slices.Sorted(maps.Keys(d.file.Allow)) {
		e, offered := d.services[service]
		if !offered {
			d.problems = append(d.problems, d.file.At(fmt.Sprintf("there is no service %q", service),
				"allow limits what expose, socks or receive offers", "allow", service))
			continue
		}
		if len(d.file.Allow[service]) == 0 {
			d.problems = append(d.problems, d.file.At("nobody could use it", "leave the service out, or name peers", "allow", service))
		}
		for i, peer := range d.file.Allow[service] {
			if !isPeer(peer) {
				d.problems = append(d.problems, d.file.At(fmt.Sprintf("%q is no peer", peer),
					"a peer is given by its name or its id", "allow", service, strconv.Itoa(i)))
			}
		}
		e.allow = d.file.Allow[service]
		d.services[service] = e
	}
}

// allowFromFlags limits services to the peers that --allow names, in place of those that the file does.
func (d *drafting) allowFromFlags(texts []string) error {
	byFlag := map[string][]string{}
	for _, text := range texts {
		service, peers, err := parseAllow(text)
		if err != nil {
			return err
		}
		if _, offered := d.services[service]; !offered {
			return misuse("it limits what --expose, --socks or --receive offers", "--allow %s: there is no service %q", text, service)
		}
		byFlag[service] = append(byFlag[service], peers...)
	}
	for service, peers := range byFlag {
		e := d.services[service]
		e.allow = peers
		d.services[service] = e
	}
	return nil
}
