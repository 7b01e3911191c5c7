package nethttp

import (
	"net"
	"slices"
)

// keepPreviews opens a loopback listener for every service that wants one, reports its address to the
// router, and closes it when the preview ends. It returns when the server leaves.
func (s *Server) keepPreviews() {
	open := map[string]net.Listener{}
	defer func() {
		for service := range open {
			s.closePreview(open, service)
		}
	}()
	for {
		changed := s.router.Changed() // taken before looking, so that no change is missed
		wanted := s.router.Previews()
		for service := range open {
			if !slices.Contains(wanted, service) {
				s.closePreview(open, service)
			}
		}
		for _, service := range wanted {
			if open[service] == nil {
				s.openPreview(open, service)
			}
		}
		select {
		case <-changed:
		case <-s.leaving:
			return
		}
	}
}

func (s *Server) openPreview(open map[string]net.Listener, service string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { // tried again at the next change, of which health alone makes many
		s.log.Error("no preview: cannot listen on loopback", "service", service, "error", err)
		return
	}
	open[service] = l
	s.accepting.Go(func() {
		s.accept(l, func(c net.Conn) { s.feed.offer(newConn(c, service, s.http.ReadHeaderTimeout)) })
	})
	s.router.SetPreviewAddress(service, "http://"+l.Addr().String())
}

// closePreview ends the listener. Connections that are open get 404 from now on, as the route is gone.
func (s *Server) closePreview(open map[string]net.Listener, service string) {
	open[service].Close()
	delete(open, service)
	s.router.SetPreviewAddress(service, "")
}
