package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// check is the functional test of a shop: one customer buys two things. It
// returns what is wrong in a sentence. An empty version is not compared.
func check(base, version string) error {
	if base == "" {
		return errors.New("no URL to check: set NARU_PREVIEW_URL, or write shop --check http://127.0.0.1:8081")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	c := customer{base: strings.TrimSuffix(base, "/"), client: &http.Client{Jar: jar, Timeout: 5 * time.Second}}
	if err := c.checkVersion(version); err != nil {
		return err
	}
	wanted, err := c.checkProducts()
	if err != nil {
		return err
	}
	return c.checkOrder(wanted)
}

// customer is a user with a basket of cookies.
type customer struct {
	base   string
	client *http.Client
}

func (c customer) checkVersion(want string) error {
	var got struct {
		Version string `json:"version"`
	}
	if err := c.do(http.MethodGet, "/version", nil, &got); err != nil {
		return err
	}
	if want != "" && got.Version != want {
		return fmt.Errorf("the shop is version %s, not %s", got.Version, want)
	}
	return nil
}

// checkProducts wants at least two products with a price, and picks two.
func (c customer) checkProducts() ([]product, error) {
	var list struct {
		Products []product `json:"products"`
	}
	if err := c.do(http.MethodGet, "/products", nil, &list); err != nil {
		return nil, err
	}
	if len(list.Products) < 2 {
		return nil, fmt.Errorf("the shop has %d products, and the check needs two", len(list.Products))
	}
	for _, p := range list.Products {
		if p.Item == "" || p.Cents <= 0 {
			return nil, fmt.Errorf("the product %+v has no name or no price", p)
		}
	}
	return list.Products[:2], nil
}

// checkOrder puts two products into the cart, looks, orders, and looks again.
func (c customer) checkOrder(wanted []product) error {
	total := 0
	for _, p := range wanted {
		if err := c.do(http.MethodPost, "/cart", url.Values{"item": {p.Item}}, &cart{}); err != nil {
			return err
		}
		total += p.Cents
	}
	var seen cart
	if err := c.do(http.MethodGet, "/cart", nil, &seen); err != nil {
		return err
	}
	if len(seen.Items) != len(wanted) {
		return fmt.Errorf("the cart has %d items after %d were put in", len(seen.Items), len(wanted))
	}
	var bought order
	if err := c.do(http.MethodPost, "/checkout", nil, &bought); err != nil {
		return err
	}
	if bought.Cents != total {
		return fmt.Errorf("the order costs %d cents, but its items %d", bought.Cents, total)
	}
	if err := c.do(http.MethodGet, "/cart", nil, &seen); err != nil {
		return err
	}
	if len(seen.Items) != 0 {
		return fmt.Errorf("the cart has %d items after it was ordered", len(seen.Items))
	}
	return nil
}

// do sends a request and decodes the answer, which has to be a 200.
func (c customer) do(method, path string, form url.Values, answer any) error {
	request, err := http.NewRequest(method, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s answered %s: %s", method, path, response.Status, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s %s answered no JSON: %w", method, path, err)
	}
	return nil
}
