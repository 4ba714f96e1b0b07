// The load of the benchmark: MCP clients that call one tool as fast as they are answered, or at a fixed rate.
//
// Every answer is read whole and its id compared with the one that was asked; what is no such answer is an error.
//
// Usage: load -kind streamable-http|sse -url URL [flags]
//
//	load -kind stdio [flags] -- COMMAND [ARGUMENT]...
//
// It tells on stdout, as lines of JSON, when its sessions are open and when it is warm, waits each time for a line on
// stdin, and tells at the end what it measured. So whoever started it can read the other side's counters between.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

// Plan is what the flags say.
type Plan struct {
	Kind        string
	URL         string
	Command     []string
	Connections int
	Sessions    int // sessions that the connections share; 0 = one each
	Idle        int // sessions more that are opened and left alone
	Duration    time.Duration
	WarmUp      time.Duration
	Rate        float64 // calls a second of all connections together; 0 = as fast as answers come
	Answer      int     // bytes of text in each answer
	Argument    int     // bytes of text in each call
	Patience    time.Duration
}

func main() {
	var plan Plan
	flag.StringVar(&plan.Kind, "kind", "streamable-http", "streamable-http, sse or stdio")
	flag.StringVar(&plan.URL, "url", "", "where the server listens")
	flag.IntVar(&plan.Connections, "connections", 1, "clients at once")
	flag.IntVar(&plan.Sessions, "sessions", 0, "sessions that the clients share; 0 = one each")
	flag.IntVar(&plan.Idle, "idle", 0, "more sessions, opened and left alone")
	flag.DurationVar(&plan.Duration, "duration", 2*time.Second, "how long to measure")
	flag.DurationVar(&plan.WarmUp, "warm-up", 500*time.Millisecond, "how long to call before")
	flag.Float64Var(&plan.Rate, "rate", 0, "calls a second, whatever the answers take; 0 = as fast as they come")
	flag.IntVar(&plan.Answer, "answer", 200, "bytes of text in each answer")
	flag.IntVar(&plan.Argument, "argument", 0, "bytes of text in each call")
	flag.DurationVar(&plan.Patience, "patience", 30*time.Second, "how long one call may take")
	flag.Parse()
	plan.Command = flag.Args()

	if err := run(plan); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(plan Plan) error {
	// The resting sessions first: servers close connections on which nothing is said while the others are opened.
	resting, err := openIdle(plan)
	if err != nil {
		return err
	}
	defer resting.Close()
	clients, err := openClients(plan)
	if err != nil {
		return err
	}
	defer clients.Close()
	input := bufio.NewReader(os.Stdin)
	told := json.NewEncoder(os.Stdout)

	if err := handOver(told, input, "open"); err != nil {
		return err
	}
	warm := measure(plan, clients, plan.WarmUp)
	if err := handOver(told, input, "warm"); err != nil {
		return err
	}
	result := measure(plan, clients, plan.Duration)
	result.Errors += warm.Errors
	if result.FirstError == "" {
		result.FirstError = warm.FirstError
	}
	return told.Encode(result)
}

// handOver tells a phase and waits until it is taken note of.
func handOver(told *json.Encoder, input *bufio.Reader, phase string) error {
	if err := told.Encode(map[string]string{"phase": phase}); err != nil {
		return err
	}
	_, err := input.ReadString('\n')
	return err
}
