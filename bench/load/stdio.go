package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// process is a server on its standard streams, which all clients share.
type process struct {
	command  *exec.Cmd
	lock     sync.Mutex
	input    io.WriteCloser
	waiting  map[int]chan []byte
	patience time.Duration
}

type stdioClient struct {
	process *process
	first   bool // closes the process
	answers chan []byte
}

func openStdio(plan Plan) (Clients, error) {
	if len(plan.Command) == 0 {
		return nil, fmt.Errorf("-kind stdio needs a command")
	}
	command := exec.Command(plan.Command[0], plan.Command[1:]...)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	shared := &process{command: command, input: input, waiting: map[int]chan []byte{}, patience: plan.Patience}
	go shared.read(output)
	clients := make(Clients, plan.Connections)
	for index := range clients {
		clients[index] = &stdioClient{process: shared, first: index == 0, answers: make(chan []byte, 1)}
	}
	if _, err := clients[0].Call(0, []byte(initialize)); err != nil {
		clients.Close()
		return nil, fmt.Errorf("initialize: %w", err)
	}
	_, err = input.Write([]byte(initialized + "\n"))
	return clients, err
}

// read gives each answer to who waits for it.
func (p *process) read(output io.Reader) {
	reader := bufio.NewReaderSize(output, 1<<20)
	for {
		line, err := reader.ReadBytes('\n')
		if id, ok := idOf(line); ok {
			p.lock.Lock()
			answers := p.waiting[id]
			delete(p.waiting, id)
			p.lock.Unlock()
			if answers != nil {
				answers <- bytes.TrimRight(line, "\n")
			}
		}
		if err != nil {
			return
		}
	}
}

func (s *stdioClient) Call(id int, message []byte) ([]byte, error) {
	line := append(append(make([]byte, 0, len(message)+1), message...), '\n')
	s.process.lock.Lock()
	s.process.waiting[id] = s.answers
	_, err := s.process.input.Write(line)
	s.process.lock.Unlock()
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(s.process.patience)
	defer late.Stop()
	select {
	case answer := <-s.answers:
		return answer, nil
	case <-late.C:
		return nil, fmt.Errorf("no answer to id %d within %s", id, s.process.patience)
	}
}

// Close closes the server's input, on which it ends.
func (s *stdioClient) Close() {
	if s.first {
		s.process.input.Close()
		s.process.command.Wait()
	}
}
