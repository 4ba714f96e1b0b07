// The MCP server of the benchmark: it answers at once, so that what is measured is what stands before it.
//
// Usage: backend [-transport stdio|sse|streamable-http] [-port 8080] [-delay 0s]
//
// Without flags it does what ToolHive tells a server in its environment: MCP_TRANSPORT and MCP_PORT.
// Its one tool, answer, gives a text of as many bytes as its argument "size" says.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	transport := flag.String("transport", environment("MCP_TRANSPORT", "stdio"), "stdio, sse or streamable-http")
	port := flag.String("port", environment("MCP_PORT", "8080"), "where to listen, for the two over HTTP")
	delay := flag.Duration("delay", 0, "time that each tool call takes")
	flag.Parse()

	server := &Server{Delay: *delay}
	var err error
	switch *transport {
	case "stdio":
		err = serveStdio(server, os.Stdin, os.Stdout)
	case "sse":
		err = serveSSE(server, ":"+*port)
	case "streamable-http":
		err = serveStreamable(server, ":"+*port)
	default:
		err = fmt.Errorf("-transport is %q; it must be stdio, sse or streamable-http", *transport)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// Server knows what every transport answers.
type Server struct {
	Delay time.Duration
}
