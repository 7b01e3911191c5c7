// Command analysis takes the figures of docs/analysis.md: it plays rollouts by the thousand in virtual time, with the real
// core and the real analysis, and writes the page and its plots. Seeds are fixed, so that everybody gets the same figures.
//
//	go run ./bench/analysis                  all of it, into docs
//	go run ./bench/analysis -only errors     one figure, on the screen
//	go run ./bench/analysis -only errors -page    and in the page, beside those of the last time
//	go run ./bench/analysis -runs 20 -out x  quickly, elsewhere
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "analysis: "+err.Error())
		os.Exit(1)
	}
}

// orders is what the command line asks for.
type orders struct {
	runs  int
	out   string
	only  string
	again bool
	quick bool
}

func run(ctx context.Context, args []string, screen io.Writer) error {
	var o orders
	flags := flag.NewFlagSet("analysis", flag.ContinueOnError)
	flags.IntVar(&o.runs, "runs", 400, "rollouts for an ordinary figure; false alarms take five times as many")
	flags.StringVar(&o.out, "out", "docs", "folder of analysis.md and analysis/")
	flags.StringVar(&o.only, "only", "", "take only the figures whose name begins so, and print them; with -page, put them in the place of the last ones")
	flags.BoolVar(&o.again, "page", false, "write page and plots anew from the figures of the last time")
	flags.BoolVar(&o.quick, "quick", false, "so few and short rollouts that the figures mean nothing: does it work at all?")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.quick {
		o.runs = 2
	}
	if o.runs < 1 || flags.NArg() > 0 {
		return errors.New("-runs must be 1 or more, and there are no arguments")
	}
	began := time.Now()
	r, err := o.report(ctx, screen)
	if err != nil || o.only != "" && !o.again {
		return err
	}
	if err := r.write(o.out); err != nil {
		return err
	}
	fmt.Fprintf(screen, "%s written after %s\n", filepath.Join(o.out, "analysis.md"), time.Since(began).Round(time.Second))
	return nil
}

// report takes the figures, or reads those of the last time.
func (o orders) report(ctx context.Context, screen io.Writer) (*report, error) {
	r, last := &report{Quick: o.quick}, 0
	if o.again {
		text, err := os.ReadFile(filepath.Join(o.out, "analysis", "figures.json"))
		if err != nil {
			return nil, fmt.Errorf("read the figures of the last time: %w", err)
		}
		if err := json.Unmarshal(text, r); err != nil || o.only == "" {
			return r, err
		}
	}
	r.Runs, last = o.runs, r.Runs
	defer func() {
		if o.again {
			r.Runs = last // of the figures that were not taken anew
		}
	}()
	all := []struct {
		name string
		take func(context.Context, *report) (string, error)
	}{{"delay", delays}, {"late", late}, {"healthy", healthy}, {"false", falseAlarms}, {"incident", incidents}, {"nobody", nobody},
		{"bursts", bursts}, {"margin", margins}, {"paths", paths}}
	for _, one := range all {
		if !strings.HasPrefix(one.name, o.only) {
			continue
		}
		began := time.Now()
		text, err := one.take(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
		fmt.Fprintf(screen, "%s (%s)\n%s\n", one.name, time.Since(began).Round(time.Second), text)
	}
	return r, nil
}
