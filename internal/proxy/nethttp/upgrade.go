package nethttp

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/naru-deploy/naru/internal/proxy"
	"github.com/naru-deploy/naru/internal/proxy/websocket"
)

// upgrade hands the connection over to the protocol that client and instance have agreed on.
func (v *visit) upgrade(a *attempt, resp *http.Response) {
	protocol := upgrade(resp.Header)
	backend, ok := backendPeer(a, resp)
	if !ok || protocol == "" || !strings.EqualFold(protocol, v.header.Get("Upgrade")) {
		v.refuse(http.StatusBadGateway, v.exchange.Service()+": the instance switched to a protocol that was not asked for")
		return
	}
	client, err := v.hijack()
	if err != nil {
		v.refuse(http.StatusBadGateway, "this connection cannot be upgraded: "+err.Error())
		return
	}
	v.exchange.Head(resp.StatusCode)
	v.exchange.Streaming()
	v.outcome = proxy.Outcome{Status: resp.StatusCode}
	h := make(http.Header)
	responseHeader(h, resp)
	v.setCookie(h)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", protocol)
	if err := writeHead(client.Conn, resp.StatusCode, h); err != nil {
		client.Conn.Close()
		v.outcome.Aborted = true
		return
	}
	v.relay(websocket.Start(client, backend), strings.EqualFold(protocol, "websocket"))
}

// relay waits for the end of an upgraded connection, and brings it about when the instance drains or the
// server leaves.
func (v *visit) relay(r *websocket.Relay, polite bool) {
	select {
	case <-r.Done():
	case <-v.server.base.Done():
		r.Close()
	case <-v.exchange.GoAway():
		leave(r, polite)
	case <-v.server.leaving:
		leave(r, polite)
	}
	res := r.Wait()
	if res.Told {
		v.exchange.ClosedByDrain()
	}
	v.upload.read.Add(res.In)
	v.outcome.Out, v.outcome.Broken = res.Out, res.Broken
}

// leave ends a connection. Only WebSocket has words for it.
func leave(r *websocket.Relay, polite bool) {
	if polite {
		r.GoAway()
		return
	}
	r.Close()
}

// hijack takes the client's connection from net/http, with what was read ahead of it.
func (v *visit) hijack() (websocket.Peer, error) {
	c, buffered, err := v.control.Hijack()
	if err != nil {
		return websocket.Peer{}, err
	}
	ahead, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	ahead = slices.Clone(ahead) // net/http's buffers are not needed for the hours to come
	switch t := c.(type) {
	case *conn:
		c = t.hijacked()
	case tlsConn:
		c = t.hijacked()
	}
	return websocket.Peer{Conn: c, Reader: io.MultiReader(bytes.NewReader(ahead), c)}, nil
}

// backendPeer is the instance's connection, with what was read ahead of it.
func backendPeer(a *attempt, resp *http.Response) (websocket.Peer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || a.conn == nil {
		return websocket.Peer{}, false
	}
	return websocket.Peer{Conn: a.conn.Conn, Reader: body}, true
}

// writeHead writes a response head to a connection that net/http no longer knows.
func writeHead(c net.Conn, status int, h http.Header) error {
	w := bufio.NewWriter(c)
	w.WriteString("HTTP/1.1 101 " + http.StatusText(status) + "\r\n")
	h.Write(w)
	w.WriteString("\r\n")
	return w.Flush()
}
