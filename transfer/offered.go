package transfer

import "fmt"

// expect reads the next frame, which is none of content. A failure of the sender is returned as that.
func (r *receiving) expect() (frameKind, []byte, error) {
	kind, length, err := r.in.next()
	if err != nil {
		return 0, nil, err
	}
	if kind == frameData {
		return 0, nil, fmt.Errorf("%w: content at the wrong time", ErrProtocol)
	}
	data, err := r.in.rest(length)
	if err == nil && kind == frameFailed {
		err = parseFailure(data)
	}
	return kind, data, err
}

// offer reads the offer and decides about it.
func (r *receiving) offer() error {
	kind, data, err := r.expect()
	if err != nil {
		return err
	}
	if kind != frameOffer {
		return fmt.Errorf("%w: it does not begin with an offer", ErrProtocol)
	}
	o, err := parseOffer(data)
	if err != nil {
		return err
	}
	for _, name := range o.Names {
		if err := checkName(name); err != nil {
			return err
		}
	}
	r.result.Offer = o
	r.Meter.begin(o)
	if r.Accept != nil {
		return r.Accept(o)
	}
	return nil
}

// open finds the place for what comes.
func (r *receiving) open() error {
	if r.Output != nil {
		if r.result.Offer.Files != 1 || r.result.Offer.Directories+r.result.Offer.Links > 0 {
			return fmt.Errorf("%w: only a single file can be written to the output", ErrDeclined)
		}
		r.store = &outputStore{to: r.Output, tree: &r.tree}
		return nil
	}
	s, err := openStage(r.Dir, r.From, r.result.Offer, &r.tree)
	if err != nil {
		return local(err)
	}
	r.store = s
	return nil
}

// listing reads all entries.
func (r *receiving) listing() error {
	for {
		kind, data, err := r.expect()
		if err != nil {
			return err
		}
		switch kind {
		case frameEntries:
			if err := parseEntries(data, &r.tree); err != nil {
				return err
			}
		case frameListed:
			return r.agrees()
		default:
			return fmt.Errorf("%w: a frame of kind %d among entries", ErrProtocol, kind)
		}
	}
}

// agrees tells whether the entries are what was offered.
func (r *receiving) agrees() error {
	var names []string
	for i := range r.tree.entries {
		if e := &r.tree.entries[i]; e.parent == none {
			names = append(names, e.name)
		}
	}
	o := r.result.Offer
	same := len(names) == len(o.Names) && r.tree.files == o.Files && r.tree.bytes == o.Bytes
	for i := range names {
		same = same && names[i] == o.Names[i]
	}
	if !same {
		return fmt.Errorf("%w: it lists other files than it offered", ErrProtocol)
	}
	return nil
}
