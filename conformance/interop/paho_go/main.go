// SPDX-License-Identifier: Apache-2.0

// paho.golang, unmodified: `paho_go PORT`. Scenario by scenario; the last line counts.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/extensions/topicaliases"
	"github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"
)

const (
	wait    = 10 * time.Second
	silence = 300 * time.Millisecond
)

var address string

// client is one connection; what arrives waits in a channel. Whatever goes wrong in it ends the scenario.
type client struct {
	*paho.Client
	conn     net.Conn
	connack  *paho.Connack
	messages chan *paho.Publish
	told     chan *paho.Disconnect
	ended    chan error
}

// failure ends a scenario.
type failure struct{ text string }

func fail(format string, values ...any) { panic(failure{fmt.Sprintf(format, values...)}) }

func check(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func same[T comparable](got, wanted T, what string) {
	if got != wanted {
		fail("%s: %v, wanted %v", what, got, wanted)
	}
}

func pointer[T any](value T) *T { return &value }

// soon ends whatever has not been answered in time.
func soon() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(wait, cancel)
	return ctx
}

// open connects; `shape` changes what is asked for.
func open(id string, shape func(*paho.ClientConfig, *paho.Connect)) *client {
	conn, err := net.Dial("tcp", address)
	check(err, "dial")
	c := &client{conn: conn, messages: make(chan *paho.Publish, 10000), told: make(chan *paho.Disconnect, 1), ended: make(chan error, 10)}
	config := paho.ClientConfig{
		ClientID: id, Conn: packets.NewThreadSafeConn(conn), PacketTimeout: wait,
		OnServerDisconnect: func(d *paho.Disconnect) { c.told <- d },
		OnClientError:      func(err error) { c.ended <- err },
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(received paho.PublishReceived) (bool, error) {
			c.messages <- received.Packet
			return true, nil
		}},
	}
	connect := &paho.Connect{ClientID: id, KeepAlive: 60, CleanStart: true, Username: "a", Password: []byte("a"), UsernameFlag: true, PasswordFlag: true,
		Properties: &paho.ConnectProperties{RequestProblemInfo: true}}
	if shape != nil {
		shape(&config, connect)
	}
	c.Client = paho.NewClient(config)
	c.connack, err = c.Connect(soon(), connect)
	check(err, "CONNECT")
	return c
}

func (c *client) close() { check(c.Disconnect(&paho.Disconnect{ReasonCode: 0}), "DISCONNECT") }

// drop ends the connection without a goodbye.
func (c *client) drop() {
	c.conn.Close()
	select {
	case <-c.ended:
	case <-time.After(wait):
		fail("the client does not see its connection end")
	}
}

func (c *client) subscribe(options paho.SubscribeOptions, properties *paho.SubscribeProperties) byte {
	suback, err := c.Subscribe(soon(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{options}, Properties: properties})
	check(err, "SUBSCRIBE")
	return suback.Reasons[0]
}

func (c *client) publish(topic string, payload []byte, qos byte, shape func(*paho.Publish)) {
	publish := &paho.Publish{Topic: topic, Payload: payload, QoS: qos, Properties: &paho.PublishProperties{}}
	if shape != nil {
		shape(publish)
	}
	_, err := c.Publish(soon(), publish)
	check(err, "PUBLISH")
}

func (c *client) message() *paho.Publish {
	select {
	case message := <-c.messages:
		return message
	case <-time.After(wait):
		fail("no message in time")
		return nil
	}
}

func (c *client) silent() {
	select {
	case message := <-c.messages:
		fail("nothing should arrive, came %s: %.40q", message.Topic, message.Payload)
	case <-time.After(silence):
	}
}

func delivery() {
	c := open("go-basic", nil)
	for granted := byte(0); granted < 3; granted++ {
		same(c.subscribe(paho.SubscribeOptions{Topic: "go/basic", QoS: granted}, nil), granted, "granted")
		for qos := byte(0); qos < 3; qos++ {
			for number := range 20 {
				c.publish("go/basic", fmt.Appendf(nil, "%d", number), qos, nil)
			}
			for number := range 20 {
				message := c.message()
				same(string(message.Payload), fmt.Sprint(number), "payload")
				same(message.QoS, min(qos, granted), "QoS")
			}
		}
	}
	_, err := c.Unsubscribe(soon(), &paho.Unsubscribe{Topics: []string{"go/basic"}})
	check(err, "UNSUBSCRIBE")
	c.publish("go/basic", nil, 1, nil)
	c.silent()
	c.close()
}

func properties() {
	c := open("go-properties", nil)
	c.subscribe(paho.SubscribeOptions{Topic: "go/properties", QoS: 2}, &paho.SubscribeProperties{SubscriptionIdentifier: pointer(4711)})
	users := paho.UserProperties{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "a", Value: "1"}}
	c.publish("go/properties", []byte("x"), 2, func(p *paho.Publish) {
		p.Properties = &paho.PublishProperties{CorrelationData: []byte{0, 255}, ContentType: "text", ResponseTopic: "go/answers", PayloadFormat: pointer(byte(1)),
			MessageExpiry: pointer(uint32(100)), User: users}
	})
	given := c.message().Properties
	if !slices.Equal(given.User, users) || !bytes.Equal(given.CorrelationData, []byte{0, 255}) {
		fail("properties: %+v", given)
	}
	same(given.ContentType+" "+given.ResponseTopic, "text go/answers", "type and response topic")
	same(*given.PayloadFormat, 1, "payload format")
	same(*given.SubscriptionIdentifier, 4711, "subscription identifier")
	if *given.MessageExpiry < 90 || *given.MessageExpiry > 100 {
		fail("expiry %d", *given.MessageExpiry)
	}
	c.close()
}

func options() {
	c := open("go-options", nil)
	c.subscribe(paho.SubscribeOptions{Topic: "go/local", QoS: 1, NoLocal: true}, nil)
	c.publish("go/local", []byte("mine"), 1, nil)
	c.publish("go/kept", []byte("kept"), 1, func(p *paho.Publish) { p.Retain = true })
	c.subscribe(paho.SubscribeOptions{Topic: "go/kept", QoS: 1, RetainHandling: 2, RetainAsPublished: true}, nil)
	c.silent()
	c.publish("go/kept", []byte("live"), 1, func(p *paho.Publish) { p.Retain = true })
	same(c.message().Retain, true, "retain as published")
	other := open("go-options-2", nil)
	other.subscribe(paho.SubscribeOptions{Topic: "go/+", QoS: 1}, nil)
	message := other.message()
	same(string(message.Payload), "live", "retained")
	same(message.Retain, true, "RETAIN")
	c.publish("go/kept", nil, 1, func(p *paho.Publish) { p.Retain = true })
	other.close()
	c.close()
}

func keptSession() {
	manager := state.NewInMemory()
	kept := func(clean bool) func(*paho.ClientConfig, *paho.Connect) {
		return func(config *paho.ClientConfig, connect *paho.Connect) {
			config.Session = session.SessionManager(manager)
			connect.CleanStart = clean
			connect.Properties.SessionExpiryInterval = pointer(uint32(60))
		}
	}
	c := open("go-kept", kept(true))
	same(c.connack.SessionPresent, false, "session present")
	c.subscribe(paho.SubscribeOptions{Topic: "go/kept-session", QoS: 2}, nil)
	c.drop()
	writer := open("go-writer", nil)
	for number := range 50 {
		writer.publish("go/kept-session", fmt.Appendf(nil, "%d", number), byte(1+number%2), nil)
	}
	writer.close()
	c = open("go-kept", kept(false))
	same(c.connack.SessionPresent, true, "session present")
	seen := map[string]bool{}
	for range 50 {
		seen[string(c.message().Payload)] = true
	}
	same(len(seen), 50, "messages")
	c.silent()
	c.close()
	c = open("go-kept", nil)
	same(c.connack.SessionPresent, false, "session present after a clean start")
	c.close()
}

func manualAcks() {
	c := open("go-manual", func(config *paho.ClientConfig, connect *paho.Connect) {
		config.EnableManualAcknowledgment = true
		config.SendAcksInterval = 5 * time.Millisecond
		connect.Properties.ReceiveMaximum = pointer(uint16(3))
	})
	writer := open("go-manual-w", nil)
	c.subscribe(paho.SubscribeOptions{Topic: "go/manual", QoS: 1}, nil)
	for number := range 12 {
		writer.publish("go/manual", fmt.Appendf(nil, "%d", number), 1, nil)
	}
	for number := 0; number < 12; number += 3 {
		held := []*paho.Publish{c.message(), c.message(), c.message()}
		c.silent()
		for offset, message := range held {
			same(string(message.Payload), fmt.Sprint(number+offset), "payload")
			check(c.Ack(message), "PUBACK")
		}
	}
	c.silent()
	writer.close()
	c.close()
}

func aliases() {
	handler := topicaliases.NewTAHandler(5) // it minds no more topics than that
	c := open("go-alias", func(config *paho.ClientConfig, connect *paho.Connect) {
		config.PublishHook = handler.PublishHook
	})
	c.subscribe(paho.SubscribeOptions{Topic: "go/alias/+", QoS: 1}, nil)
	for number := range 40 {
		topic := fmt.Sprintf("go/alias/%d", number%5)
		c.publish(topic, []byte(topic), 1, nil)
		same(c.message().Topic, topic, "topic")
	}
	c.close()
}

func shared() {
	members := []*client{open("go-share-1", nil), open("go-share-2", nil)}
	for _, member := range members {
		same(member.subscribe(paho.SubscribeOptions{Topic: "$share/go/go/shared", QoS: 2}, nil), 2, "granted")
	}
	writer := open("go-share-w", nil)
	for number := range 100 {
		writer.publish("go/shared", fmt.Appendf(nil, "%d", number), 2, nil)
	}
	end := time.Now().Add(wait)
	for len(members[0].messages)+len(members[1].messages) < 100 && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(silence / 3)
	same(len(members[0].messages)+len(members[1].messages), 100, "messages in all")
	if len(members[0].messages) == 0 || len(members[1].messages) == 0 {
		fail("one member got all")
	}
	for _, one := range append(members, writer) {
		one.close()
	}
}

func wills() {
	witness := open("go-witness", nil)
	witness.subscribe(paho.SubscribeOptions{Topic: "go/wills", QoS: 1}, nil)
	mortal := func(config *paho.ClientConfig, connect *paho.Connect) {
		connect.WillMessage = &paho.WillMessage{Topic: "go/wills", Payload: []byte("gone"), QoS: 1}
		connect.WillProperties = &paho.WillProperties{WillDelayInterval: pointer(uint32(1)), User: paho.UserProperties{{Key: "a", Value: "b"}}}
		connect.Properties.SessionExpiryInterval = pointer(uint32(60))
	}
	open("go-mortal", mortal).close()
	c := open("go-mortal", mortal)
	c.drop()
	began := time.Now()
	message := witness.message()
	if time.Since(began) < 200*time.Millisecond {
		fail("before its delay")
	}
	same(message.Properties.User.Get("a"), "b", "user property of the will")
	witness.silent()
	witness.close()
}

func stolen() {
	old := open("go-twice", nil)
	young := open("go-twice", nil)
	select {
	case told := <-old.told:
		same(told.ReasonCode, 0x8E, "reason")
	case <-time.After(wait):
		fail("the old connection is not told")
	}
	young.close()
}

func assigned() {
	one, two := open("", nil), open("", nil)
	if one.connack.Properties.AssignedClientID == "" || one.connack.Properties.AssignedClientID == two.connack.Properties.AssignedClientID {
		fail("assigned: %q and %q", one.connack.Properties.AssignedClientID, two.connack.Properties.AssignedClientID)
	}
	one.close()
	two.close()
}

func large() {
	c := open("go-large", nil)
	c.subscribe(paho.SubscribeOptions{Topic: "go/large", QoS: 2}, nil)
	body := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	c.publish("go/large", body, 2, nil)
	if !bytes.Equal(c.message().Payload, body) {
		fail("changed")
	}
	c.close()
}

// passes runs a scenario and says how it went.
func passes(title string, run func()) (passed bool) {
	began := time.Now()
	defer func() {
		switch problem := recover().(type) {
		case nil:
			fmt.Printf("ok      %s (%d ms)\n", title, time.Since(began).Milliseconds())
			passed = true
		case failure:
			fmt.Printf("FAILED  %s: %s\n", title, problem.text)
		default:
			panic(problem)
		}
	}()
	run()
	return
}

func main() {
	address = "127.0.0.1:" + os.Args[1]
	passed, failed := 0, 0
	for _, one := range []struct {
		title string
		run   func()
	}{
		{"each QoS: there and back, in order, at the lower QoS", delivery},
		{"properties of a message arrive unaltered, with the subscription's identifier", properties},
		{"no local, retain handling, retain as published", options},
		{"a kept session: session present, and what came meanwhile", keptSession},
		{"receive maximum with acknowledgements that come late", manualAcks},
		{"topic aliases", aliases},
		{"a shared subscription shares", shared},
		{"a will with delay and properties, none after a goodbye", wills},
		{"the same client id elsewhere: the old connection is told so", stolen},
		{"an empty client id is given one", assigned},
		{"a payload of 1.6 MB", large},
	} {
		if passes(one.title, one.run) {
			passed++
		} else {
			failed++
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
