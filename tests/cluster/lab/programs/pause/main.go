// Command pause stands in each pod before its containers: it holds the pod's namespaces, and takes in the processes
// that lose their parents.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return
		}
	}
}

func main() {
	told := make(chan os.Signal, 16)
	signal.Notify(told, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	for number := range told {
		if number != syscall.SIGCHLD {
			return
		}
		reap()
	}
}
