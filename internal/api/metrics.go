package api

import (
	"bytes"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"github.com/naru-deploy/naru/internal/engine"
)

// metrics answers what the proxy measures together with what this process knows of itself. The two name nothing alike, so
// one text after the other is a whole exposition. A proxy that does not answer shows as naru_proxy_up 0.
func (s *Server) metrics() http.Handler {
	up := prometheus.NewGauge(prometheus.GaugeOpts{Name: "naru_proxy_up", Help: "Whether the proxy answers the control plane: 1 or 0."})
	registry := prometheus.NewRegistry()
	registry.MustRegister(up, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy, err := s.o.Metrics(r.Context())
		up.Set(1)
		if err != nil {
			s.o.Log.Warn("the proxy's metrics cannot be read", "error", err)
			up.Set(0)
			proxy = nil
		}
		families, err := registry.Gather()
		if err != nil {
			refuse(w, http.StatusInternalServerError, engine.Internal, "gather metrics: %v", err)
			return
		}
		var text bytes.Buffer
		format := expfmt.NewFormat(expfmt.TypeTextPlain)
		encoder := expfmt.NewEncoder(&text, format)
		for _, f := range families {
			if err := encoder.Encode(f); err != nil {
				refuse(w, http.StatusInternalServerError, engine.Internal, "write metrics: %v", err)
				return
			}
		}
		w.Header().Set("Content-Type", string(format))
		_, _ = w.Write(append(proxy, text.Bytes()...))
	})
}
