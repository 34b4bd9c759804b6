package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/bodkin-p2p/bodkin/internal/control"
)

// A voice is the stream for this side's lines to one person, or the attempt to have one.
type voice struct {
	person
	queue  chan string
	heard  bool          // the other side has greeted
	again  bool          // the other side dialled while this attempt was failing
	closed chan struct{} // the stream is over
}

// hear prints the lines of one stream.
func (r *chatRoom) hear(ctx context.Context, who person, stream control.Stream) {
	defer r.hears(who, -1)
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	if _, err := io.WriteString(stream, chatGreeting); err != nil {
		return
	}
	for lines := bufio.NewReaderSize(stream, maxChatLine); ; {
		line, err := readChatLine(lines)
		if err != nil {
			return // that they left is said where this side's stream ends
		}
		r.screen.message(who, line)
	}
}

// hears counts the streams of a person.
func (r *chatRoom) hears(who person, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hearing[who.id] += more; r.hearing[who.id] == 0 {
		delete(r.hearing, who.id)
	}
}

// readChatLine returns the next line, of which it cuts off what is too long.
func readChatLine(in *bufio.Reader) (string, error) {
	line, more, err := in.ReadLine()
	text := string(line)
	if more {
		text += " [cut]"
	}
	for more && err == nil {
		_, more, err = in.ReadLine()
	}
	return text, err
}

// speak dials a person and sends the lines that are queued, until the stream or ctx ends.
func (r *chatRoom) speak(ctx context.Context, v *voice) error {
	stream, err := r.node.Dial(ctx, v.id.String(), chatService)
	if err != nil {
		return err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()

	if err := expectGreeting(stream); err != nil {
		return err
	}
	r.heard(v)
	r.screen.notice("%s is here, %s", printable(v.name), route(stream.Path()))

	ended := make(chan struct{}) // the other side has closed, or the session is over
	r.tasks.Go(func() {
		defer close(ended)
		stream.Read(make([]byte, 1))
	})
	for {
		select {
		case line, ok := <-v.queue:
			if !ok { // this side leaves: the other closes when it has read everything
				stream.CloseWrite()
				<-ended
				return nil
			}
			if _, err := io.WriteString(stream, line+"\n"); err != nil {
				return err
			}
		case <-ended:
			return nil
		}
	}
}

// expectGreeting waits for the other side to say that it reads.
func expectGreeting(stream control.Stream) error {
	stream.SetReadDeadline(time.Now().Add(greetTimeout))
	defer stream.SetReadDeadline(time.Time{})
	greeting := make([]byte, len(chatGreeting))
	if _, err := io.ReadFull(stream, greeting); err != nil {
		return err
	}
	if string(greeting) != chatGreeting {
		return errors.New("what serves chat there is no chat")
	}
	return nil
}

// timerOf is a timer that never fires for a time that is not positive.
func timerOf(d time.Duration) *time.Timer {
	timer := time.NewTimer(max(d, time.Nanosecond))
	if d <= 0 {
		timer.Stop()
	}
	return timer
}
