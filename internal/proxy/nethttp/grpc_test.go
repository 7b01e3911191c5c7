package nethttp

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// serveGRPC starts a gRPC backend; the method's name says how it answers.
func serveGRPC(t *testing.T) string {
	t.Helper()
	b := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		stream.SetTrailer(metadata.Pairs("x-end", "trailer"))
		switch method {
		case "/test/Refuse": // status in the only head
			return status.Error(codes.NotFound, "no such thing")
		case "/test/RefuseLate": // head, then nothing but trailers
			stream.SendHeader(metadata.Pairs("x-begin", "header"))
			return status.Error(codes.NotFound, "no such thing")
		}
		for { // echo
			var m wrapperspb.BytesValue
			if err := stream.RecvMsg(&m); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(&m); err != nil {
				return err
			}
		}
	}))
	l := listen(t)
	go b.Serve(l)
	t.Cleanup(b.Stop)
	return l.Addr().String()
}

func dialGRPC(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestTrailersOfEmptyAnswers asks 1,000 times each: with other proxies some of them get lost, now and then.
func TestTrailersOfEmptyAnswers(t *testing.T) {
	s := newSite(t, serveGRPC(t))
	c := dialGRPC(t, s.addr)
	for _, method := range []string{"/test/Refuse", "/test/RefuseLate"} {
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for range 250 {
					var trailer metadata.MD
					err := c.Invoke(t.Context(), method, &wrapperspb.BytesValue{}, &wrapperspb.BytesValue{}, grpc.Trailer(&trailer))
					if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "no such thing" || strings.Join(trailer["x-end"], "") != "trailer" {
						t.Errorf("%s: %v, trailer %v", method, err, trailer)
						return
					}
				}
			})
		}
		callers.Wait()
	}
	if m := s.total(2000); m.Requests != 2000 || m.Failed != 0 {
		t.Errorf("metered %+v", m)
	}
}

func TestGRPCStreamsBothWaysAtOnce(t *testing.T) {
	s := newSite(t, serveGRPC(t))
	stream, err := dialGRPC(t, s.addr).NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test/Echo")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 { // each answer comes before the next question is asked
		var got wrapperspb.BytesValue
		want := strings.Repeat(fmt.Sprint(i), 10_000*i)
		if err := stream.SendMsg(wrapperspb.Bytes([]byte(want))); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(&got); err != nil || string(got.Value) != want {
			t.Fatalf("message %d: %d bytes, %v", i, len(got.Value), err)
		}
	}
	stream.CloseSend()
	if err := stream.RecvMsg(&wrapperspb.BytesValue{}); !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v", err)
	}
	if got := stream.Trailer()["x-end"]; len(got) != 1 {
		t.Errorf("trailer %v", got)
	}
}

func TestGRPCWithoutAnInstance(t *testing.T) {
	s := newSite(t)
	err := dialGRPC(t, s.addr).Invoke(t.Context(), "/test/Echo", &wrapperspb.BytesValue{}, &wrapperspb.BytesValue{})
	if status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v, want UNAVAILABLE", err)
	}
}
