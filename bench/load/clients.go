package main

import (
	"fmt"
	"net/url"
	"sync"
)

// Client makes one call at a time.
type Client interface {
	// Call sends a message and returns the answer with that id, or what went wrong.
	Call(id int, message []byte) ([]byte, error)
	Close()
}

// Clients are all that were opened together.
type Clients []Client

// Close closes each.
func (c Clients) Close() {
	inParallel(len(c), func(index int) (Client, error) {
		c[index].Close()
		return nil, nil
	})
}

const openedAtOnce = 16

// openClients opens as many clients as the plan has connections, and its sessions.
func openClients(plan Plan) (Clients, error) {
	if plan.Kind == "stdio" {
		return openStdio(plan)
	}
	target, err := url.Parse(plan.URL)
	if err != nil {
		return nil, err
	}
	if plan.Kind == "sse" {
		return inParallel(plan.Connections, func(int) (Client, error) { return openSSE(target, plan.Patience) })
	}
	sessions := plan.Sessions
	if sessions == 0 || sessions > plan.Connections {
		sessions = plan.Connections
	}
	clients, err := inParallel(sessions, func(int) (Client, error) { return openStreamable(target, plan.Patience) })
	if err != nil {
		return nil, err
	}
	for index := sessions; index < plan.Connections; index++ {
		shared := clients[index%sessions].(*streamable)
		clients = append(clients, shared.sibling())
	}
	return clients, nil
}

// idle are sessions that nobody uses between being opened and ended.
type idle struct {
	line     *Line
	path     string
	sessions []string
}

func (i *idle) Call(int, []byte) ([]byte, error) {
	return nil, fmt.Errorf("an idle session is not called")
}

func (i *idle) Close() {
	for _, session := range i.sessions {
		i.line.Delete(i.path, session)
	}
	i.line.Close()
}

// openIdle opens the plan's idle sessions, over a few connections.
func openIdle(plan Plan) (Clients, error) {
	if plan.Idle == 0 {
		return nil, nil
	}
	target, err := url.Parse(plan.URL)
	if err != nil {
		return nil, err
	}
	return inParallel(openedAtOnce, func(opener int) (Client, error) {
		own := &idle{line: newLine(target, plan.Patience), path: target.RequestURI()}
		for index := opener; index < plan.Idle; index += openedAtOnce {
			client := streamable{line: own.line, path: own.path}
			if err := client.open(); err != nil {
				own.Close()
				return nil, fmt.Errorf("idle session %d: %w", index, err)
			}
			own.sessions = append(own.sessions, client.session)
		}
		return own, nil
	})
}

// inParallel makes clients, a few at once, and closes all when one fails.
func inParallel(count int, open func(index int) (Client, error)) (Clients, error) {
	clients := make(Clients, count)
	problems := make([]error, count)
	places := make(chan struct{}, openedAtOnce)
	var group sync.WaitGroup
	for index := range clients {
		group.Add(1)
		places <- struct{}{}
		go func(index int) {
			defer group.Done()
			clients[index], problems[index] = open(index)
			<-places
		}(index)
	}
	group.Wait()
	for _, problem := range problems {
		if problem != nil {
			for _, client := range clients {
				if client != nil {
					client.Close()
				}
			}
			return nil, problem
		}
	}
	return clients, nil
}
