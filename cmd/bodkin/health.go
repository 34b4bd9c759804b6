package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTime bounds how long a server may take to say that it is well.
const healthTime = 4 * time.Second

// newHealth is for containers that hold nothing but bodkin: no curl, no shell. The help of server tells of it.
func newHealth() *cobra.Command {
	return &cobra.Command{
		Use:    "health ADDRESS",
		Short:  "Ask a server whether it is well",
		Hidden: true,
		Long:   "Ask the server that was started with --http ADDRESS whether it is well. The exit code is 0 if it is, and 5 if not.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misuse("for example 127.0.0.1:9090, what --http was given", "bodkin server health wants ADDRESS")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return checkHealth(c.Context(), args[0]) },
	}
}

func checkHealth(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/healthz", nil)
	if err != nil {
		return misuse("for example 127.0.0.1:9090", "ADDRESS %s: want HOST:PORT", address)
	}
	direct := &http.Client{Transport: &http.Transport{}} // the proxy of the environment is not on the way to oneself
	defer direct.CloseIdleConnections()
	response, err := direct.Do(request)
	if err == nil {
		defer response.Body.Close()
		if _, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10)); err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("it answers %s", response.Status)
		}
	}
	if err != nil {
		return &failure{code: exitServerUnreachable, err: err, text: fmt.Sprintf("the server is not well: %s", plain(err)),
			hint: "is it running, with --http " + address + "?"}
	}
	return nil
}
