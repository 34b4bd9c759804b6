package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
)

var (
	// ErrInterrupted tells that the connection ended before the transfer did. Another run goes on where this one stopped.
	ErrInterrupted = errors.New("transfer: the connection ended before everything was there")
	// ErrProtocol tells that the other end does not speak this protocol, or broke its rules.
	ErrProtocol = errors.New("transfer: the other end breaks the protocol")
	// ErrExists tells that a name is taken where files were to be received. Nothing is overwritten.
	ErrExists = errors.New("exists already")
	// ErrChanged tells that a file changed while it was sent. Another run sends it as it is then.
	ErrChanged = errors.New("changed while it was being sent")
	// ErrDeclined tells that the receiver did not want what was offered.
	ErrDeclined = errors.New("declined")
	// ErrCorrupt tells that content did not have the hash that its sender gave it. Another run sends it again.
	ErrCorrupt = errors.New("content arrived damaged")
	// ErrName tells that the receiver's system cannot have a file of that name.
	ErrName = errors.New("a name that Windows cannot give to a file")
	// ErrNoSpace tells that a disk is full, or a quota used up.
	ErrNoSpace = errors.New("no space left")
)

// A RemoteError is a failure at the other end, in its words. errors.Is finds [ErrExists], [ErrDeclined], [ErrChanged],
// [ErrCorrupt], [ErrName], [ErrNoSpace], fs.ErrNotExist and fs.ErrPermission in it where they were the reason there.
type RemoteError struct {
	Text string // one line; it comes from elsewhere, so mind what it does to a terminal
	code failureCode
}

func (e *RemoteError) Error() string { return e.Text }

// Is tells whether the failure was target.
func (e *RemoteError) Is(target error) bool {
	return e.code != codeOther && reasons[e.code] == target
}

// failureCode is how a failure is told to the other end, beside its words.
type failureCode uint8

const (
	codeOther failureCode = iota
	codeExists
	codeDeclined
	codeChanged
	codeCorrupt
	codeNoSpace
	codeNotExist
	codePermission
	codeStopped
	codeName
	codes // one that is unknown counts as codeOther
)

// errStopped is what a transfer that was called off tells the other end.
var errStopped = errors.New("it was stopped there")

// reasons are the errors that codes stand for; it is only read.
var reasons = [codes]error{
	codeExists: ErrExists, codeDeclined: ErrDeclined, codeChanged: ErrChanged, codeCorrupt: ErrCorrupt, codeNoSpace: ErrNoSpace,
	codeNotExist: fs.ErrNotExist, codePermission: fs.ErrPermission, codeStopped: ErrInterrupted,
	codeName: ErrName,
}

// codeOf finds the code for a failure.
func codeOf(err error) failureCode {
	if errors.Is(err, errStopped) {
		return codeStopped
	}
	for code, reason := range reasons {
		if reason != nil && errors.Is(err, reason) {
			return failureCode(code)
		}
	}
	return codeOther
}

// cut says of an error of reading or writing a connection that this is what it was.
func cut(err error) error {
	if err == nil || errors.Is(err, ErrInterrupted) {
		return err
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrInterrupted, err)
}

// local makes an error of this machine's files one that callers can tell apart.
func local(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// whyDone is ctx's cause, if that has ended, else err.
func whyDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
